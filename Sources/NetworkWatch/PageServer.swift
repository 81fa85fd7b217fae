import Foundation
import HTTPTypes
import JSONValues
public import MockServing
import TextKeys

/// Serves the page of a network and its events, and takes the page's orders.
///
/// `GET /` and the files that the page takes, `GET /network`, `GET /faults`, `GET /events`
/// (server-sent events; `Last-Event-ID` or `?after=N` continue behind an event), `POST /orders/…`
/// (``PageOrder``) and `DELETE /orders/faults/SERVICE/ID`. Nothing is fetched from elsewhere, and
/// no other page can order anything: orders have a body of JSON, which browsers send to another
/// origin only where that allows it.
public struct PageServer: Sendable {
  private let network: any WatchedNetwork
  private let events: EventStream

  /// A server of a network's page.
  public init(_ network: any WatchedNetwork, events: EventStream) {
    self.network = network
    self.events = events
  }

  /// Serves the page on this machine while a body runs, and closes the stream of events after it.
  /// - Parameters:
  ///   - port: Where to listen; 0 takes any free port.
  ///   - isolation: The actor that `body` runs on; the caller's.
  ///   - body: What is done meanwhile.
  /// - Throws: `ServingError` when it cannot listen, and whatever `body` throws.
  public func withServer<R: Sendable>(
    port: Int = 0, isolation: isolated (any Actor)? = #isolation,
    _ body: (ServerAddress) async throws -> R
  ) async throws -> R {
    let server = ServerConfiguration(port: port, maximumBodyBytes: 64 << 10, serviceName: "page")
    return try await withWebServer(server, respond: { await respond(to: $0) }) {
      address async throws in
      // A reader that waits for events would hold up the server's stop.
      defer { events.close() }
      return try await body(address)
    }
  }

  /// Answers one request.
  public func respond(to request: WebRequest) async -> WebResponse {
    guard request.isFromThisMachine else {
      return refusal("the page is for this machine: ask for 127.0.0.1", .forbidden)
    }
    let segments = request.path.split(separator: "/").map(String.init)
    switch (request.method, segments.first) {
    case (.get, "events") where segments.count == 1: return eventResponse(request)
    case (.get, "network") where segments.count == 1: return .json(network.description.serialized())
    case (.get, "faults") where segments.count == 1:
      return .json(await network.faults().serialized())
    case (.post, "orders"): return await perform(Array(segments.dropFirst()), request)
    case (.delete, "orders") where segments.count == 4 && segments[1] == "faults":
      // The id of a link's fault has a colon, which browsers escape.
      let id = segments[3].removingPercentEncoding ?? segments[3]
      return await perform(.removeFault(of: segments[2], id: id))
    case (.get, _), (.head, _):
      if let file = PageFile.named(request.path) { return file.response }
      return refusal("there is no \(request.path)", .notFound)
    default:
      return refusal("\(request.path) does not take \(request.method.rawValue)", .methodNotAllowed)
    }
  }

  private func perform(_ segments: [String], _ request: WebRequest) async -> WebResponse {
    guard request.headers[.contentType]?.hasPrefix("application/json") == true else {
      return refusal("an order is JSON: Content-Type: application/json", .unsupportedMediaType)
    }
    do {
      guard let order = try PageOrder(segments, try JSON.parse(request.body)) else {
        return refusal("there is no order \(request.path)", .notFound)
      }
      return await perform(order)
    } catch {
      return refusal("\(error)", .badRequest)
    }
  }

  private func perform(_ order: PageOrder) async -> WebResponse {
    do {
      return .json(JSON.object(try await network.perform(order)).serialized())
    } catch let refused as OrderRefusal {
      return refusal(refused.description, refused.isConflict ? .conflict : .badRequest)
    } catch {
      return refusal("\(error)", .internalServerError)
    }
  }

  private func refusal(_ message: String, _ status: HTTPResponse.Status) -> WebResponse {
    .json(JSON.object(["error": .string(message)]).serialized(), status: status)
  }

  private func eventResponse(_ request: WebRequest) -> WebResponse {
    let text = request.headers.value("last-event-id") ?? request.query["after"] ?? "0"
    guard let first = Int(text), first >= 0 else {
      return refusal("after must be the number of an event, not \"\(text)\"", .badRequest)
    }
    let events = events
    return WebResponse(
      headers: [.contentType: "text/event-stream", .cacheControl: "no-store"],
      stream: WebStream { writer in
        // The head goes out at once: a browser takes the stream for open then.
        try await writer.write(Array(": events\n\n".utf8))
        var last = first
        while true {
          let batch = try await events.entries(after: last)
          guard let end = batch.last else { break }
          last = end.event.number
          var text = ""
          for entry in batch { text += "id: \(entry.event.number)\ndata: \(entry.line)\n\n" }
          try await writer.write(Array(text.utf8))
        }
        try await writer.write(Array("event: end\ndata: {}\n\n".utf8))
        return nil
      })
  }
}

extension WebRequest {
  /// Whether the request names this machine as its host, and comes from a page of it if from any: a
  /// name of another machine that leads here is another site's page.
  fileprivate var isFromThisMachine: Bool {
    let names = ["127.0.0.1", "localhost", "[::1]"]
    func isThis(_ host: Substring) -> Bool {
      names.contains { host == $0 || host.hasPrefix($0 + ":") }
    }
    guard let host = headers.value("host"), isThis(host[...]) else { return false }
    guard let origin = headers[.origin] else { return true }
    return origin == "http://\(host)"
  }
}

extension HTTPFields {
  /// The value of a field by its name, in small letters.
  fileprivate func value(_ name: String) -> String? {
    first { $0.name.canonicalName == name }?.value
  }
}

/// A file of the page.
struct PageFile: Sendable {
  private let type: String
  private let bytes: [UInt8]

  /// The file at a path; nil where there is none.
  static func named(_ path: String) -> PageFile? {
    switch path {
    case "/": PageFile(type: "text/html; charset=utf-8", bytes: PackageResources.page_html)
    case "/page.css": PageFile(type: "text/css; charset=utf-8", bytes: PackageResources.page_css)
    case "/page.js": script(PackageResources.page_js)
    case "/model.js": script(PackageResources.model_js)
    case "/views.js": script(PackageResources.views_js)
    default: nil
    }
  }

  private static func script(_ bytes: [UInt8]) -> PageFile {
    PageFile(type: "text/javascript; charset=utf-8", bytes: bytes)
  }

  var response: WebResponse {
    WebResponse(
      headers: [
        .contentType: type, .cacheControl: "no-cache", .xContentTypeOptions: "nosniff",
        .contentSecurityPolicy: "default-src 'self'; img-src data:; base-uri 'none'; "
          + "frame-ancestors 'none'; form-action 'none'",
      ], body: bytes)
  }
}
