import Crypto
import Foundation
package import HTTPTypes
import MockServing
package import PlumiseWire

extension MockOracle {
  /// The method and the path template of every route of some dialects, in the table's order.
  package static func routes(
    of dialects: Set<ReportDialect>
  ) -> [(method: HTTPRequest.Method, template: String)] {
    RouteTable(of: dialects).routes.map { ($0.method, $0.template) }
  }

  /// Answers a request by the route table.
  ///
  /// HEAD is answered wherever GET is; the server leaves the body out. Where the deployed dialect
  /// is spoken, scripts of any origin are let in, as the deployed oracle lets them.
  func dispatch(_ request: WebRequest) async -> Reply {
    let lookup = routes.find(request)
    var reply =
      if speaks(.deployed) && request.method == .options {
        Reply(response: DeployedDialect.preflight(request), outcome: .served, dialect: .deployed)
      } else {
        await answer(request, lookup)
      }
    reply.template = lookup.template
    if speaks(.deployed) { reply.response.headers[.accessControlAllowOrigin] = "*" }
    if reply.dialect == .deployed { DeployedDialect.finish(&reply.response, for: request) }
    return reply
  }

  private func answer(_ request: WebRequest, _ lookup: RouteTable.Lookup) async -> Reply {
    switch lookup {
    case .found(let route, let values):
      if route.dialect == .deployed, route.body == nil, let refusal = refusal(of: request) {
        return refusal
      }
      var reply = await route.handler(self, RoutedRequest(request: request, values: values))
      reply.dialect = route.dialect
      return reply
    case .undecodable(_, let text):
      return Reply(
        response: DeployedDialect.error(
          .string("Failed to decode param '\(text)'"), status: .badRequest),
        outcome: .served, dialect: .deployed)
    case .otherMethods(let routes):
      // The deployed oracle answers 404 to a method that a path does not have.
      let allowed = routes.filter { $0.dialect != .deployed }.map(\.method.rawValue)
      guard speaks(.documented), !allowed.isEmpty else { return notFound(request) }
      // HEAD is part of GET, and not named beside it.
      return Reply(
        response: DocumentedDialect.methodNotAllowed(
          request, allowed: allowed.joined(separator: ", ")),
        outcome: .unknownRoute, dialect: .documented)
    case .unknownPath: return notFound(request)
    }
  }

  /// What is answered to a body that the deployed oracle cannot read: it reads every body before it
  /// looks for a route.
  private func refusal(of request: WebRequest) -> Reply? {
    guard !request.body.isEmpty else { return nil }
    do throws(RejectionReason) {
      if case .json(let bytes) = try BodyParser.read(request) {
        _ = try ClassValidator.object(bytes)
      }
      return nil
    } catch {
      return Reply(
        response: DeployedDialect.answer(to: error), outcome: .refused(error), dialect: .deployed)
    }
  }

  private func notFound(_ request: WebRequest) -> Reply {
    guard !speaks(.documented) else {
      return Reply(response: DocumentedDialect.notFound(request), outcome: .unknownRoute)
    }
    return refusal(of: request)
      ?? Reply(
        response: DeployedDialect.notFound(request), outcome: .unknownRoute, dialect: .deployed)
  }

  private func speaks(_ dialect: ReportDialect) -> Bool {
    configuration.dialects.contains(dialect)
  }
}

extension DeployedDialect {
  private static let json = "application/json; charset=utf-8"

  /// Gives an answer the fields that Express gives it, and lets 304 take the place of one that the
  /// client has.
  static func finish(_ response: inout WebResponse, for request: WebRequest) {
    response.headers[.poweredBy] = "Express"
    guard response.status != .noContent else { return }
    if response.headers[.contentType] == "application/json" {
      response.headers[.contentType] = json
    }
    guard !response.body.isEmpty else { return }
    // Accepted reports are the same two bodies again and again, and carry theirs.
    let tag = response.headers[.eTag] ?? entityTag(of: response.body)
    response.headers[.eTag] = tag
    guard [.get, .head].contains(request.method), response.status.kind == .successful,
      isFresh(request, tag)
    else { return }
    response.status = .notModified
    response.headers[.contentType] = nil
    response.body = []
  }

  /// A weak tag as the package `etag` makes it: the length and the start of the body's SHA-1.
  static func entityTag(of body: [UInt8]) -> String {
    let digest = Data(Insecure.SHA1.hash(data: body)).base64EncodedString().prefix(27)
    return "W/\"\(String(body.count, radix: 16))-\(digest)\""
  }

  /// Whether the client has the answer with a tag (RFC 9110 §13.1.2).
  private static func isFresh(_ request: WebRequest, _ tag: String) -> Bool {
    guard let known = request.headers[.ifNoneMatch],
      request.headers[.cacheControl]?.contains("no-cache") != true
    else { return false }
    let value = tag.dropFirst(2)
    return known == "*"
      || known.split(separator: ",").contains { item in
        let item = item.drop { $0 == " " }
        return item == tag || item == value
      }
  }
}

extension HTTPField.Name {
  fileprivate static var poweredBy: HTTPField.Name {
    guard let name = HTTPField.Name("X-Powered-By") else { fatalError("the name is a token") }
    return name
  }
}
