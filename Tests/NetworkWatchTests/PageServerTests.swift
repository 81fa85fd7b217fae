import HTTPTypes
import JSONValues
import MockServing
import NetworkWatch
import Synchronization
import TestSupport
import Testing

/// A network that notes what is ordered.
final class NotedNetwork: WatchedNetwork {
  private let noted = Mutex<[PageOrder]>([])

  var orders: [PageOrder] { noted.withLock { $0 } }

  var description: JSON {
    [
      "run": "r", "model": "tiny", "faults": ["oracle", "links"],
      "nodes": .array(
        (1...2).map { number in
          [
            "name": .string("node-\(number)"), "blocks": .string("\(number - 1)"),
            "agent": .string("0x\(number)"), "peer": "127.0.0.1:1",
          ]
        }),
    ]
  }

  func faults() async -> JSON { ["oracle": [["id": 1, "fault": "status"]], "links": []] }

  func perform(_ order: PageOrder) async throws -> JSONObject {
    noted.withLock { $0.append(order) }
    if order == .start(node: "node-1") { throw OrderRefusal("it runs already", isConflict: true) }
    return ["done": true]
  }
}

@Suite("Page server")
struct PageServerTests {
  private let network = NotedNetwork()
  private let events = EventStream()
  private var server: PageServer { PageServer(network, events: events) }

  private func post(
    _ path: String, _ body: String,
    _ headers: [String: String] = ["Content-Type": "application/json"]
  ) async -> WebResponse {
    await server.respond(to: request(.post, path, headers, body))
  }

  private func request(
    _ method: HTTPRequest.Method, _ path: String, _ headers: [String: String] = [:],
    _ body: String = ""
  ) -> WebRequest {
    var fields = HTTPFields()
    for (name, value) in headers.merging(
      ["Host": "127.0.0.1:8080"], uniquingKeysWith: { a, _ in a })
    {
      if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
    }
    return WebRequest(method, path, headers: fields, body: Array(body.utf8))
  }

  @Test(
    "Each file of the page is there, with its type, and may load nothing from elsewhere",
    arguments: [
      ("/", "text/html; charset=utf-8"), ("/page.css", "text/css; charset=utf-8"),
      ("/page.js", "text/javascript; charset=utf-8"),
      ("/model.js", "text/javascript; charset=utf-8"),
      ("/views.js", "text/javascript; charset=utf-8"),
    ])
  func files(_ path: String, _ type: String) async throws {
    let answer = await server.respond(to: request(.get, path))
    #expect(answer.status == .ok && answer.headers[.contentType] == type)
    let policy = answer.headers[.contentSecurityPolicy] ?? ""
    #expect(policy.hasPrefix("default-src 'self'") && policy.contains("frame-ancestors 'none'"))
    let text = String(decoding: answer.body, as: UTF8.self)
    #expect(!text.isEmpty && !text.contains("http://") && !text.contains("https://"))
  }

  @Test(
    "Orders are read",
    arguments: [
      (
        "generate", #"{"prompt":"a","max_new_tokens":3,"temperature":0.5}"#,
        PageOrder.generate(prompt: "a", maxNewTokens: 3, temperature: 0.5)
      ),
      ("faults/oracle", #"{"fault":"x"}"#, .addFault(of: "oracle", order: ["fault": "x"])),
      ("links/node-1", #"{"action":"cut"}"#, .link(node: "node-1", .cut)),
      (
        "links/node-1", #"{"action":"slow","milliseconds":7}"#,
        .link(node: "node-1", .slow(milliseconds: 7))
      ),
      ("nodes/node-2", #"{"action":"kill"}"#, .kill(node: "node-2")),
      ("clock", #"{"seconds":60}"#, .moveClock(seconds: 60)),
    ])
  func orders(_ path: String, _ body: String, _ order: PageOrder) async throws {
    let answer = await post("/orders/\(path)", body)
    #expect(answer.status == .ok, "\(String(decoding: answer.body, as: UTF8.self))")
    #expect(network.orders == [order])
  }

  @Test(
    "A fault is taken back by its id, as a browser escapes it as well",
    arguments: ["node-1:2", "node-1%3A2"])
  func removal(_ id: String) async throws {
    let answer = await server.respond(to: request(.delete, "/orders/faults/links/\(id)"))
    #expect(answer.status == .ok)
    #expect(network.orders == [.removeFault(of: "links", id: "node-1:2")])
  }

  @Test(
    "What is no order is refused with what is wrong, and nothing is done",
    arguments: [
      ("generate", "{}", "prompt must be a text"),
      ("generate", #"{"prompt":"a","max_new_tokens":0}"#, "max_new_tokens must be a whole number"),
      ("generate", #"{"prompt":"a","temperature":-1}"#, "temperature must be"),
      ("generate", #"{"prompt":"a","temperature":"1"}"#, "temperature must be"),
      ("links/node-1", #"{"action":"x"}"#, "cut, hold, slow or open"),
      ("nodes/node-1", "{}", "kill or start"), ("clock", "{}", "seconds is missing"),
      ("clock", "no JSON", ""),
    ])
  func refusals(_ path: String, _ body: String, _ words: String) async throws {
    let answer = await post("/orders/\(path)", body)
    #expect(answer.status == .badRequest)
    let message = try #require(try JSON.parse(answer.body)["error"]?.stringValue)
    #expect(words.isEmpty || message.contains(words), "\(message)")
    #expect(network.orders.isEmpty)
  }

  @Test("An order that cannot be done as things are is a conflict")
  func conflict() async throws {
    let answer = await post("/orders/nodes/node-1", #"{"action":"start"}"#)
    #expect(answer.status == .conflict)
    #expect(try JSON.parse(answer.body)["error"] == "it runs already")
  }

  @Test("Another page's orders are refused, as those under another name of this machine")
  func otherOrigins() async throws {
    let body = #"{"action":"kill"}"#
    let text = await post("/orders/nodes/node-1", body, ["Content-Type": "text/plain"])
    #expect(text.status == .unsupportedMediaType)
    let foreign = await post(
      "/orders/nodes/node-1", body,
      [
        "Content-Type": "application/json", "Host": "127.0.0.1:8080",
        "Origin": "http://elsewhere.example",
      ])
    #expect(foreign.status == .forbidden)
    let renamed = await server.respond(
      to: request(.get, "/network", ["Host": "elsewhere.example:8080"]))
    #expect(renamed.status == .forbidden)
    #expect(network.orders.isEmpty)
  }

  @Test("Events go out as they come, from behind the last one that a reader names, up to the end")
  func stream() async throws {
    for seconds in 1...3 { events.record("chain", .clock(ClockNews(seconds: seconds))) }
    let events = events
    let text = try await server.withServer { address in
      async let answer = fetch("\(address.url)/events?after=1")
      // The end of the body ends the stream, but what was recorded before it is read.
      events.record("oracle", .clock(ClockNews(seconds: 4)))
      events.close()
      return try await answer.text
    }
    let found = text.split(separator: "\n").filter { $0.hasPrefix("data: {\"") }
      .compactMap { try? WatchedEvent(line: String($0.dropFirst(6))) }
    #expect(found.map(\.number) == [2, 3, 4])
    #expect(found.last?.part == "oracle")
    #expect(text.contains("id: 4\n") && text.hasSuffix("event: end\ndata: {}\n\n"))
    let refused = await server.respond(to: request(.get, "/events?after=x"))
    #expect(refused.status == .badRequest)
  }
}
