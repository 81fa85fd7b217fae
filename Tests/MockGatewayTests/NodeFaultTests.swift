import HTTPTypes
import MockGateway
import MockServing
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

/// A node of a pipeline that answers a generation as a test says.
private func node(
  _ answer: @escaping @Sendable (WebRequest) -> WebResponse
) -> NodeAnswer {
  { request in
    if request.path == "/health" { return .json(Array("{\"mode\":\"pipeline\"}".utf8)) }
    return answer(request)
  }
}

/// A node that refuses each request as an agent does.
private func refusingNode(_ status: Int, _ body: String) -> NodeAnswer {
  node { _ in .json(Array(body.utf8), status: .init(code: status)) }
}

@Suite("Faults of nodes that a gateway bears", .timeLimit(.minutes(1))) struct NodeFaultTests {
  private static let tooLong = """
    {"detail":[{"type":"value_error","loc":["body","inputs"],"msg":"too many tokens","input":"x"}]}
    """

  @Test(
    "A count that no text can have is as good as none: the text is counted",
    arguments: ["9223372036854775807", "9223372036854775800", "-1", "1000000001", "1e300", "null"])
  func counts(count: String) async throws {
    let text = "eight by"
    let pipeline = node { _ in
      .json(Array(#"{"generated_text":"\#(text)","num_tokens":\#(count)}"#.utf8))
    }
    let whole: NodeAnswer = { request in
      if request.path == "/health" { return .json(Array("{}".utf8)) }
      return .json(
        Array(
          """
          {"choices":[{"message":{"content":"\(text)"}}],"usage":{"completion_tokens":\(count)}}
          """.utf8))
    }
    for node in [pipeline, whole] {
      try await GatewayScene.run([node]) { scene async throws in
        for number in 1...2 {
          let answer = try await scene.chat()
          #expect(answer.status == 200, "\(answer.text)")
          let usage = try answer.json["usage"]
          #expect(usage?["completion_tokens"] == 2 && usage?["total_tokens"] == 10)
          await scene.gateway.postMetrics()
          // Eight tokens of the prompt, by estimate.
          #expect(scene.gateway.posts.entries.last?.processedTokens == Int64(number * 10))
        }
      }
    }
  }

  @Test("A count that a text can have is the node's, however large")
  func largestCount() async throws {
    let pipeline = node { _ in
      .json(Array(#"{"generated_text":"a","num_tokens":1000000000}"#.utf8))
    }
    try await GatewayScene.run([pipeline]) { scene async throws in
      for number in 1...3 {
        #expect(try await scene.chat().json["usage"]?["completion_tokens"] == 1_000_000_000)
        await scene.gateway.postMetrics()
        let tokens = scene.gateway.posts.entries.last?.processedTokens
        #expect(tokens == Int64(number) * 1_000_000_008)
      }
    }
  }

  @Test("A listed node on a port that there is not has failed, and others are asked")
  func impossiblePort() async throws {
    try await withWebServer(respond: pipelineNode()) { address in
      let urls = [
        "http://10.1.2.3:65536", "https://10.1.2.3:99999", "http://10.1.2.3:0", address.url,
      ]
      let rows = try urls.enumerated().map { index, url -> JSON in
        [
          "nodeAddress": .string(try testKey(UInt8(index + 1)).address.checksummed), "ready": true,
          "httpEndpoint": .string(url), "pipelineOrder": 0, "benchmarkTokPerSec": 1,
        ]
      }
      let topology: JSON = ["nodes": .array(rows)]
      let oracle: NodeAnswer = { request in
        request.path == "/api/v1/pipeline/topology"
          ? .json(topology.serialized()) : WebResponse(status: .notFound)
      }
      try await withWebServer(respond: oracle) { oracleAddress in
        let gateway = MockGateway(
          GatewayConfiguration(
            oracleURL: oracleAddress.url, models: ["bloom-560m"], clock: ManualClock()))
        try await gateway.withServer { address in
          #expect(gateway.nodes.count == 4)
          #expect(gateway.nodes.map(\.failures).sorted() == [0, 1, 1, 1])
          let body: JSON = [
            "model": "bloom-560m", "messages": [["role": "user", "content": "Hello"]],
          ]
          for _ in 0..<3 {
            let answer = try await fetch(address.url + "/v1/chat/completions", json: body)
            #expect(answer.status == 200, "\(answer.text)")
          }
          let failures = gateway.journal.entries.flatMap(\.attempts).compactMap(\.failure)
          #expect(failures.allSatisfy { $0.hasSuffix("a port is 1 to 65535") }, "\(failures)")
        }
      }
    }
  }

  @Test("A request that a node refuses for what it asks is the client's, and the node stays online")
  func refusedRequest() async throws {
    for (status, body, reason) in [
      (422, Self.tooLong, "inputs: too many tokens"), (400, #"{"message":"a reason"}"#, "a reason"),
      (413, #"{"error":{"message":"too large"}}"#, "too large"),
      (422, "", "the node refused the request with status 422"),
    ] {
      let nodes = [refusingNode(status, body), refusingNode(status, body)]
      try await GatewayScene.run(nodes, profile: .fixed) { scene async throws in
        for round in 0..<5 {
          let answer = try await scene.chat(["stream": .bool(round.isMultiple(of: 2))])
          #expect(answer.status == status)
          let error = try answer.json["error"]
          #expect(error?["message"] == .string(reason) && error?["code"] == .integer(status))
          #expect(error?["type"] == "invalid_request_error")
          let entry = scene.gateway.journal.entries.last
          #expect(entry?.attempts.count == 1 && entry?.status == status)
        }
        #expect(try await fetch(scene.url + "/health").json["online"] == 2)
        #expect(scene.gateway.nodes.allSatisfy { $0.failures == 0 && $0.inFlight == 0 })
      }
    }
  }

  @Test("A node that does not take requests now, or from a gateway, is passed over")
  func otherStatuses() async throws {
    for status in [401, 403, 404, 408, 429, 500, 503] {
      let nodes = [refusingNode(status, Self.tooLong), refusingNode(status, Self.tooLong)]
      try await GatewayScene.run(nodes, profile: .fixed) { scene async throws in
        #expect(try await scene.chat().status == 503)
        #expect(scene.gateway.journal.entries.last?.attempts.count == 2, "\(status)")
      }
    }
  }

  @Test("The real gateway asks the next node whatever the reason is")
  func refusedRequestToday() async throws {
    let nodes = [refusingNode(422, Self.tooLong), refusingNode(422, Self.tooLong)]
    try await GatewayScene.run(nodes, profile: .faithful) { scene async throws in
      for _ in 0..<4 {
        #expect(try await scene.chat().status == 503)
        #expect(scene.gateway.journal.entries.last?.attempts.count == 2)
      }
    }
  }

  @Test("A node that fails requests stays online while it says that it is well")
  func healthAlone() async throws {
    for profile in GatewayProfile.allCases {
      try await GatewayScene.run([failingNode], profile: profile) { scene async throws in
        for _ in 0..<5 {
          #expect(try await scene.chat().status == 503)
          #expect(scene.gateway.journal.entries.last?.attempts.count == 1)
        }
        #expect(try await fetch(scene.url + "/health").json["online"] == 1)
      }
    }
  }

  @Test("A stream of one endless line is a failure of its node, and the next one goes on")
  func endlessLine() async throws {
    let line = Array(repeating: UInt8(ascii: "a"), count: 1 << 16)
    let endless = node { _ in
      WebResponse(
        headers: [.contentType: "text/event-stream"],
        stream: WebStream { writer in
          try await writer.write(Array("data: {\"token\":\"a\"}\n\n".utf8))
          // It ends when the gateway has had enough.
          while true { try await writer.write(line) }
        })
    }
    let nodes = [endless, endless]
    try await GatewayScene.run(nodes, profile: .fixed) { scene async throws in
      let answer = try await scene.chat(["stream": true])
      #expect(answer.text.contains("\"server_error\"") && !answer.text.contains("[DONE]"))
      let attempts = scene.gateway.journal.entries.last?.attempts ?? []
      #expect(attempts.count == 2)
      for attempt in attempts {
        #expect(attempt.failure?.contains("more than 1048576 bytes") == true, "\(attempt)")
      }
    }
  }
}
