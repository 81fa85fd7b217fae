import Bloom
import EthereumPrimitives
import InferenceMetrics
import PetalsNode
import PlumiseWire
import TestSupport
import Testing

@Suite("HTTP API of an agent", .timeLimit(.minutes(5)))
struct AgentAPITests {
  let model: TinyModel

  init() throws { model = try TinyModel() }

  private func ask(
    _ node: PetalsNode, _ path: String, _ body: String? = nil, authorization: String? = nil
  ) async throws -> FetchedAnswer {
    let address = try #require(node.httpAddress)
    return try await fetch(
      "http://\(address)\(path)", body == nil ? "GET" : "POST", body: body.map { Array($0.utf8) },
      authorization: authorization)
  }

  private func text(_ count: Int, stream: Bool = false) -> String {
    """
    {"inputs":"Hello there","stream":\(stream),"parameters":{"max_new_tokens":\(count),
    "do_sample":false}}
    """
  }

  /// The events of a stream, without `data: `.
  private func events(_ answer: FetchedAnswer) -> [String] {
    answer.text.split(separator: "\n\n").map { event in
      #expect(event.hasPrefix("data: ") && !event.contains("\n"), "\(event)")
      return String(event.dropFirst(6))
    }
  }

  @Test("Health is open and tells the mode; the other routes want the secret as a bearer token")
  func secret() async throws {
    try await withAgents(of: model, cuts: [12], api: .init(secret: "s3cret")) { nodes, topology in
      let health = try await ask(nodes[0], "/health").json
      #expect(health["status"] == "ok" && health["mode"] == "pipeline")
      #expect(health["layers"] == ["start": 0, "end": 12, "total": 24])
      for path in ["/api/v1/pipeline/status", "/api/v1/metrics", "/api/v1/generate"] {
        let body = path.hasSuffix("generate") ? text(1) : nil
        let none = try await ask(nodes[0], path, body)
        #expect(none.status == 401)
        #expect(try none.json == ["detail": "Authorization header required"])
        let wrong = try await ask(nodes[0], path, body, authorization: "Bearer s3cre")
        #expect(wrong.status == 403)
        #expect(try wrong.json == ["detail": "Invalid token"])
        let right = try await ask(nodes[0], path, body, authorization: "Bearer s3cret")
        #expect(right.status == 200, "\(right.text)")
      }
      let status = try await ask(
        nodes[0], "/api/v1/pipeline/status", authorization: "Bearer s3cret"
      ).json
      #expect(status["pipeline_order"] == 0 && status["total_nodes"] == 2)
      #expect(status["next_node"] == .string(topology[1].grpcEndpoint))
      let metrics = try await ask(
        nodes[0], "/api/v1/metrics", authorization: "Bearer s3cret"
      ).json
      #expect(metrics["total_requests"] == 1 && metrics["total_tokens_processed"] == 1)
    }
  }

  @Test(
    "A stream is one event a token and [DONE], and gives the whole text", arguments: [[], [12]])
  func stream(cuts: [Int]) async throws {
    try await withAgents(of: model, cuts: cuts, api: .init()) { nodes, _ in
      let whole = try await ask(nodes[0], "/api/v1/generate", text(6)).json
      let answer = try await ask(nodes[0], "/api/v1/generate", text(6, stream: true))
      #expect(answer.status == 200)
      #expect(answer.contentType?.hasPrefix("text/event-stream") == true)
      var events = events(answer)
      #expect(events.popLast() == "[DONE]")
      let tokens = try events.map { try JSON.parse($0) }
      #expect(tokens.allSatisfy { $0.objectValue?.members.count == 1 })
      let pieces = tokens.compactMap { $0["token"]?.stringValue }
      #expect(pieces.count == tokens.count && pieces.count > 1)
      #expect(whole["generated_text"] == .string(pieces.joined()))
    }
  }

  @Test(
    "The proof of a stream names the text, and of an agent of today how many tokens were streamed",
    arguments: [[], [12]])
  func proofOfStream(cuts: [Int]) async throws {
    for profile in AgentProfile.allCases {
      try await withAgents(of: model, cuts: cuts, profile: profile, api: .init()) { nodes, _ in
        let whole = try await ask(nodes[0], "/api/v1/generate", text(6)).json
        let written = try #require(whole["generated_text"]?.stringValue)
        #expect(whole["num_tokens"] == 6)
        _ = try await ask(nodes[0], "/api/v1/generate", text(6, stream: true))
        let streamed = profile == .faithful ? "[streamed 6 tokens]" : written
        #expect(
          nodes[0].metrics.proofs.pending.map(\.outputHash)
            == [Keccak256.hash(written), Keccak256.hash(streamed)])
      }
    }
  }

  @Test("An agent of today streams a whole model's text in one event")
  func oneEvent() async throws {
    try await withAgents(of: model, cuts: [], profile: .faithful, api: .init()) { nodes, _ in
      let whole = try await ask(nodes[0], "/api/v1/generate", text(6)).json
      let answer = try await ask(nodes[0], "/api/v1/generate", text(6, stream: true))
      let events = events(answer)
      #expect(events.count == 2 && events.last == "[DONE]")
      #expect(try JSON.parse(events[0])["token"] == whole["generated_text"])
    }
  }

  @Test("A stream may have the events of a node that is no agent")
  func legacyStream() async throws {
    try await withAgents(of: model, cuts: [12], api: .init(usesLegacyStream: true)) { nodes, _ in
      let answer = try await ask(nodes[0], "/api/v1/generate", text(3, stream: true))
      let last = try JSON.parse(try #require(events(answer).last))
      #expect(last["is_finished"] == true && last["num_tokens"] == 3)
    }
  }

  @Test("A failure is 503 or, in a stream, an event without [DONE]")
  func failures() async throws {
    try await withAgents(of: model, cuts: [12], api: .init()) { nodes, topology in
      nodes[0].follow([topology[0]])
      for node in nodes {
        let whole = try await ask(node, "/api/v1/generate", text(2))
        #expect(whole.status == 503)
        #expect(try whole.json == ["detail": "Model unavailable"])
        let streamed = try await ask(node, "/api/v1/generate", text(2, stream: true))
        #expect(streamed.status == 200)
        let events = events(streamed)
        #expect(events.count == 1)
        #expect(try JSON.parse(events[0])["error"]?.stringValue?.isEmpty == false)
      }
    }
  }

  @Test("A request that cannot be taken is 422 with a detail, bad JSON as well")
  func validation() async throws {
    try await withAgents(of: model, cuts: [], api: .init()) { nodes, _ in
      let cases: [(String, String, JSON, JSON)] = [
        (#"{"inputs":5}"#, "string_type", ["body", "inputs"], 5),
        (#"{"stream":false}"#, "missing", ["body", "inputs"], ["stream": false]),
        (
          #"{"inputs":"a","parameters":{"max_new_tokens":0}}"#, "greater_than_equal",
          ["body", "parameters", "max_new_tokens"], 0
        ),
        (#"{"inputs":"#, "json_invalid", ["body"], [:]),
      ]
      for (body, type, location, input) in cases {
        let answer = try await ask(nodes[0], "/api/v1/generate", body)
        #expect(answer.status == 422, "\(body)")
        let detail = try #require(try answer.json["detail"]?.arrayValue?.first)
        #expect(detail["type"] == .string(type), "\(body): \(detail.text)")
        #expect(detail["loc"] == location && detail["input"] == input, "\(body): \(detail.text)")
        #expect(detail["msg"]?.stringValue?.isEmpty == false)
      }
      for (path, status) in [("/nowhere", 404), ("/api/v1/generate", 405)] {
        let answer = try await ask(nodes[0], path)
        #expect(answer.status == status)
        #expect(try answer.json["detail"]?.stringValue != nil)
      }
    }
  }
}
