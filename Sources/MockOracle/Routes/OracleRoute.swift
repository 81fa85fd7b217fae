import EthereumPrimitives
package import HTTPTypes
import MockServing
package import PlumiseWire
import TextKeys

/// One route of the oracle: the entry that requests are dispatched by, that the interface is
/// described from, and that requests are counted under.
struct OracleRoute: Sendable {
  /// Answers a request of the route.
  typealias Handler = @Sendable (MockOracle, RoutedRequest) async -> Reply

  /// A parameter in the path, behind it, or among the header fields.
  struct Parameter: Sendable {
    enum Location: String, Sendable {
      case path
      case query
      case header
    }

    let name: String
    let location: Location
    let isRequired: Bool
    let schema: Schema
  }

  /// An answer as it is described.
  typealias Answer = (status: Int, description: String, schema: Schema)

  /// The method; HEAD is answered wherever GET is, and has no entries of its own.
  let method: HTTPRequest.Method
  /// The path, with `{names}` where a segment may be anything.
  let template: String
  /// The dialect that has it; nil for both.
  let dialect: ReportDialect?
  /// What it does, in a line.
  let summary: String
  let parameters: [Parameter]
  /// What a request's body must be; nil where none is read.
  let body: Schema?
  /// The content type of the answers' bodies.
  let answerType: String
  /// The answers, by status.
  let answers: [Answer]
  /// Answers a request of the route.
  let handler: Handler
  private let prefix: String
  private let segments: [Segment]
  private let allowsSegments: Bool

  /// A part of the template between two slashes.
  private enum Segment: Sendable {
    case literal(String)
    case parameter(String)
  }

  /// Makes a route whose template is a prefix and the segments behind it.
  /// - Parameters:
  ///   - method: the method.
  ///   - prefix: what a path must begin with, byte for byte.
  ///   - rest: the segments behind the prefix, `{names}` among them; empty segments of a path do
  ///     not count there, so that `/api/nodes/` is `/api/nodes`. Nil where nothing may follow, not
  ///     even a slash.
  ///   - dialect: the dialect that has the route; nil for both.
  ///   - summary: what it does, in a line.
  ///   - parameters: what a request may carry beside its body.
  ///   - body: what the body must be; nil where none is read.
  ///   - answerType: the content type of the answers.
  ///   - answers: the answers, by status.
  ///   - handler: answers a request.
  init(
    _ method: HTTPRequest.Method, _ prefix: String, _ rest: String? = nil, dialect: ReportDialect?,
    summary: String, parameters: [Parameter] = [], body: Schema? = nil,
    answerType: String = "application/json", answers: [Answer], handler: @escaping Handler
  ) {
    self.method = method
    self.prefix = prefix
    template = prefix + (rest ?? "")
    self.dialect = dialect
    self.summary = summary
    self.parameters = parameters
    self.body = body
    self.answerType = answerType
    self.answers = answers
    self.handler = handler
    allowsSegments = rest != nil
    segments = (rest ?? "").split(separator: "/").map { segment in
      segment.hasPrefix("{")
        ? .parameter(String(segment.dropFirst().dropLast())) : .literal(String(segment))
    }
  }

  /// Whether the template is a path: one without parameters.
  var isFixed: Bool { !template.utf8.contains(UInt8(ascii: "{")) }

  /// The values of the template's parameters in a path; nil for a path that is not the route's.
  func match(_ path: String) -> [String: String]? {
    guard path.starts(withExactly: prefix) else { return nil }
    let rest = path.utf8.dropFirst(prefix.utf8.count)
    guard allowsSegments else { return rest.isEmpty ? [:] : nil }
    guard rest.isEmpty || rest.first == UInt8(ascii: "/") else { return nil }
    let found = rest.split(separator: UInt8(ascii: "/"))
    guard found.count == segments.count else { return nil }
    var values: [String: String] = [:]
    for (segment, text) in zip(segments, found) {
      switch segment {
      case .literal(let literal): guard literal.utf8.elementsEqual(text) else { return nil }
      case .parameter(let name): values[name] = String(decoding: text, as: UTF8.self)
      }
    }
    return values
  }
}

extension OracleRoute.Parameter {
  static func path(_ name: String, _ schema: Schema = .text) -> Self {
    Self(name: name, location: .path, isRequired: true, schema: schema)
  }

  static func query(_ name: String, _ schema: Schema, required: Bool = false) -> Self {
    Self(name: name, location: .query, isRequired: required, schema: schema)
  }

  static func header(_ name: String) -> Self {
    Self(name: name, location: .header, isRequired: false, schema: .text)
  }
}

/// A request that a route was found for.
struct RoutedRequest: Sendable {
  let request: WebRequest
  /// The values of the template's parameters in its path.
  fileprivate let values: [String: String]

  /// The value of a parameter of the template; empty for a name that the template lacks.
  subscript(parameter: String) -> String { values[parameter] ?? "" }
}

/// An answer on its way out, with what the journal and the metrics are to hold about it.
struct Reply: Sendable {
  var response: WebResponse
  var outcome: OracleEntry.Outcome
  var agent: Address?
  /// The dialect of the route, when it has one.
  var dialect: ReportDialect?
  var notes: [String] = []
  /// The template of the path that was asked for; nil where no route has it.
  var template: String?

  /// An answer to a read.
  static func served(_ json: JSON, status: HTTPResponse.Status = .ok) -> Reply {
    Reply(response: .json(json.serialized(), status: status), outcome: .served)
  }
}

/// Every route of the dialects that an oracle speaks.
struct RouteTable: Sendable {
  /// What the table says about a method and a path.
  enum Lookup: Sendable {
    /// The route, and the values of its parameters in the path.
    case found(OracleRoute, [String: String])
    /// The routes that the path has with other methods.
    case otherMethods([OracleRoute])
    /// No route has the path.
    case unknownPath

    /// The template of the path, whatever the method is.
    var template: String? {
      switch self {
      case .found(let route, _): route.template
      case .otherMethods(let routes): routes.first?.template
      case .unknownPath: nil
      }
    }
  }

  /// The routes, in the order in which they are described.
  let routes: [OracleRoute]
  /// Those whose templates are paths, as most requests' are: a report's path needs no search.
  private let fixed: TextDictionary<[OracleRoute]>

  init(of dialects: Set<ReportDialect>) {
    routes =
      OperationsRoutes.table + (dialects.contains(.documented) ? DocumentedRoutes.table : [])
      + (dialects.contains(.deployed) ? DeployedRoutes.table : [])
    var fixed: TextDictionary<[OracleRoute]> = [:]
    for route in routes where route.isFixed { fixed[route.template, default: []].append(route) }
    self.fixed = fixed
  }

  /// Finds the route of a method and a path.
  func find(_ method: HTTPRequest.Method, _ path: String) -> Lookup {
    if let route = fixed[path]?.first(where: { $0.method == method }) { return .found(route, [:]) }
    var others: [OracleRoute] = []
    for route in routes {
      guard let values = route.match(path) else { continue }
      if route.method == method { return .found(route, values) }
      others.append(route)
    }
    return others.isEmpty ? .unknownPath : .otherMethods(others)
  }
}

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
    let lookup = routes.find(request.method == .head ? .get : request.method, request.path)
    var reply =
      if speaks(.deployed) && request.method == .options {
        Reply(response: DeployedDialect.preflight(request), outcome: .served, dialect: .deployed)
      } else {
        await answer(request, lookup)
      }
    reply.template = lookup.template
    if speaks(.deployed) { reply.response.headers[.accessControlAllowOrigin] = "*" }
    return reply
  }

  private func answer(_ request: WebRequest, _ lookup: RouteTable.Lookup) async -> Reply {
    switch lookup {
    case .found(let route, let values):
      var reply = await route.handler(self, RoutedRequest(request: request, values: values))
      reply.dialect = route.dialect
      return reply
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

  private func notFound(_ request: WebRequest) -> Reply {
    Reply(
      response: speaks(.documented)
        ? DocumentedDialect.notFound(request) : DeployedDialect.notFound(request),
      outcome: .unknownRoute)
  }

  private func speaks(_ dialect: ReportDialect) -> Bool {
    configuration.dialects.contains(dialect)
  }
}

/// The routes for whoever operates the oracle, whatever its dialects are.
enum OperationsRoutes {
  private static let status = Schema.object([("status", .text)])

  static let table: [OracleRoute] = [
    OracleRoute(
      .get, "/health", dialect: nil, summary: "Whether the process lives.",
      answers: [(200, "It does.", status)]
    ) { _, _ in .served(["status": "ok"]) },
    OracleRoute(
      .get, "/ready", dialect: nil, summary: "Whether it serves.",
      answers: [(200, "It does.", status), (503, "Not yet.", status)]
    ) { oracle, _ in
      oracle.isServing
        ? .served(["status": "ready"])
        : .served(["status": "starting"], status: .serviceUnavailable)
    },
    OracleRoute(
      .get, "/openapi.json", dialect: nil, summary: "This description.",
      answers: [(200, "OpenAPI 3.1.", .object([("openapi", .text)]))]
    ) { oracle, _ in Reply(response: .json(oracle.description), outcome: .served) },
    OracleRoute(
      .get, "/metrics", dialect: nil, summary: "Counters for Prometheus.",
      answerType: "text/plain", answers: [(200, "Text format 0.0.4.", .text)]
    ) { oracle, _ in
      let text = oracle.metrics.text(
        agents: oracle.reportStore.read { $0.agents.count }, journal: oracle.journal)
      return Reply(
        response: WebResponse(
          headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
          body: Array(text.utf8)),
        outcome: .served)
    },
  ]
}
