import EthereumPrimitives
import HTTPTypes
import MockGateway
import MockOracle
import MockServing
import PlumiseTesting
import PlumiseWire
import Synchronization
import TestSupport
import Testing

/// An oracle, nodes that answer as a test says, and a gateway between them.
struct GatewayScene {
  let oracle: MockOracle
  let gateway: MockGateway
  let url: String
  let clock: ManualClock
  let time: TestTime

  /// Runs a body with nodes at the given answers, each registered at the oracle by a key of its own.
  static func run(
    _ nodes: [NodeAnswer], profile: GatewayProfile = .faithful,
    allowsLoopback: Bool = true, _ body: (GatewayScene) async throws -> Void
  ) async throws {
    try await withNodes(nodes[...], []) { urls in
      let time = TestTime(1_770_200_000)
      let clock = ManualClock()
      let oracle = MockOracle(
        OracleConfiguration(
          dialects: [.deployed], registration: .everyone, apiKey: "key", unixClock: time.clock))
      for (index, url) in urls.enumerated() {
        let answer = await oracle.post(
          nodeRegistration(by: try testKey(UInt8(index + 1)), endpoint: url),
          to: NodeRegistration.path)
        try #require((200...201).contains(answer.status), "\(answer)")
      }
      try await oracle.withServer { address in
        let gateway = MockGateway(
          GatewayConfiguration(
            oracleURL: address.url, apiKey: "key", models: ["bloom-560m"], profile: profile,
            allowsLoopback: allowsLoopback, clock: clock, unixClock: time.clock))
        try await gateway.withServer { address in
          try await body(
            GatewayScene(
              oracle: oracle, gateway: gateway, url: address.url, clock: clock, time: time))
        }
      }
    }
  }

  private static func withNodes(
    _ nodes: ArraySlice<NodeAnswer>, _ urls: [String],
    _ body: ([String]) async throws -> Void
  ) async throws {
    guard let node = nodes.first else { return try await body(urls) }
    try await withWebServer(respond: node) { address in
      try await withNodes(nodes.dropFirst(), urls + [address.url], body)
    }
  }

  func chat(_ extras: JSONObject = [:]) async throws -> FetchedAnswer {
    var body: JSONObject = [
      "model": "bloom-560m", "messages": [["role": "user", "content": "Hello"]],
    ]
    for member in extras.members { body[member.key] = member.value }
    return try await fetch(url + "/v1/chat/completions", json: .object(body))
  }
}

/// The signed registration of a node at a URL.
func nodeRegistration(by key: SecretKey, endpoint: String) -> JSON {
  NodeRegistration(
    address: key.address, endpoint: endpoint, capabilities: ["inference"],
    timestamp: 1_770_200_000
  ).message.body(signedWith: key)
}

/// The bodies that nodes were sent.
final class Bodies: Sendable {
  private let bodies = Mutex<[JSON]>([])
  var all: [JSON] { bodies.withLock { $0 } }
  func add(_ body: JSON) { bodies.withLock { $0.append(body) } }
}

typealias NodeAnswer = @Sendable (WebRequest) async -> WebResponse

/// An agent of a pipeline: a text for a prompt, or for a stream the given pieces of its body.
func pipelineNode(
  _ text: String = "hi", _ bodies: Bodies = Bodies(), pieces: [String] = []
) -> NodeAnswer {
  { request in
    if request.path == "/health" { return .json(Array("{\"mode\":\"pipeline\"}".utf8)) }
    guard request.path == "/api/v1/generate", let body = try? JSON.parse(request.body) else {
      return WebResponse(status: .notFound)
    }
    bodies.add(body)
    guard body["stream"]?.boolValue == true else {
      return .json(Array("{\"generated_text\":\"\(text)\",\"num_tokens\":2}".utf8))
    }
    return WebResponse(
      headers: [.contentType: "text/event-stream"],
      stream: WebStream { writer in
        for piece in pieces { try await writer.write(Array(piece.utf8)) }
        return nil
      })
  }
}

/// A node that fails whatever it is asked, but says that it is well.
let failingNode: NodeAnswer = { request in
  request.path == "/health" ? .json(Array("{}".utf8)) : WebResponse(status: .internalServerError)
}
