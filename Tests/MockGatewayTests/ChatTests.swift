import Bloom
import EthereumPrimitives
import HTTPTypes
import MockGateway
import MockOracle
import MockServing
import PetalsNode
import PlumiseTesting
import PlumiseWire
import Synchronization
import TestSupport
import TestVectors
import Testing

@Suite("Chats through a gateway", .timeLimit(.minutes(1))) struct ChatTests {
  @Test("A prompt goes to a node of a pipeline with the roles written out, and its text comes back")
  func whole() async throws {
    let bodies = Bodies()
    try await GatewayScene.run([pipelineNode("hi", bodies)]) { scene async throws in
      let answer = try await scene.chat(["max_tokens": 7, "temperature": 0])
      #expect(answer.status == 200)
      let json = try answer.json
      #expect(json["object"] == "chat.completion")
      #expect(json["choices"]?[0]?["message"] == ["role": "assistant", "content": "hi"])
      #expect(json["usage"]?["completion_tokens"] == 2)
      #expect(json["choices"]?[0]?["finish_reason"] == "stop")
      let body = try #require(bodies.all.first)
      #expect(body["inputs"] == "### USER:\nHello\n\n### ASSISTANT:\n")
      #expect(body["messages"] == [["role": "user", "content": "Hello"]])
      let parameters = try JSON.parse(
        """
        {"max_new_tokens": 7, "temperature": 0, "top_p": 0.9, "repetition_penalty": 1.3,
         "do_sample": true}
        """)
      #expect(body["parameters"] == parameters)
      #expect(body["stream"] == nil)
    }
  }

  @Test("A text of as many tokens as were asked for ends by its length, streamed or not")
  func length() async throws {
    let pieces = [
      "data: {\"token\":\"a\"}\n\n", "data: {\"token\":\"\"}\n\n", "data: [DONE]\n\n",
    ]
    try await GatewayScene.run([pipelineNode(pieces: pieces)]) { scene async throws in
      for (tokens, reason) in [(2, "length"), (3, "stop")] {
        let whole = try await scene.chat(["max_tokens": .integer(tokens)])
        #expect(try whole.json["choices"]?[0]?["finish_reason"] == .string(reason))
        // A token without a text, as a part of a character is, is one all the same.
        let streamed = try await scene.chat(["max_tokens": .integer(tokens), "stream": true])
        #expect(reasons(streamed) == [reason], "\(streamed.text)")
        #expect(texts(streamed) == ["a"])
      }
    }
  }

  @Test("A node with a whole model says itself why a text ended")
  func finishReason() async throws {
    let node: NodeAnswer = { request in
      if request.path == "/health" { return .json(Array("{}".utf8)) }
      guard let body = try? JSON.parse(request.body), body["stream"]?.boolValue == true else {
        return .json(
          Array(
            """
            {"choices":[{"message":{"content":"hi"},"finish_reason":"length"}]}
            """.utf8))
      }
      return WebResponse(
        headers: [.contentType: "text/event-stream"],
        stream: WebStream { writer in
          for choice in [
            #"{"delta":{"role":"assistant","content":""}}"#, #"{"delta":{"content":"hi"}}"#,
            #"{"delta":{},"finish_reason":"length"}"#,
          ] {
            try await writer.write(Array("data: {\"choices\":[\(choice)]}\n\n".utf8))
          }
          try await writer.write(Array("data: [DONE]\n\n".utf8))
          return nil
        })
    }
    try await GatewayScene.run([node]) { scene async throws in
      let whole = try await scene.chat()
      #expect(try whole.json["choices"]?[0]?["finish_reason"] == "length")
      let streamed = try await scene.chat(["stream": true])
      #expect(reasons(streamed) == ["length"] && texts(streamed) == ["hi"], "\(streamed.text)")
      #expect(scene.gateway.journal.entries.last?.generatedTokens == 1)
    }
  }

  @Test("A body that is too long, and a head that is, are refused in OpenAI's form")
  func tooLong() async throws {
    try await GatewayScene.run([pipelineNode()]) { scene async throws in
      let text = JSON.string(String(repeating: "a", count: 1 << 20))
      let body = try await scene.chat(["messages": [["role": "user", "content": text]]])
      #expect(body.status == 413)
      let error = try body.json["error"]
      #expect(error?["type"] == "invalid_request_error" && error?["code"] == 413)
      #expect(error?["message"]?.stringValue?.contains("1048576 bytes") == true)
      #expect(scene.gateway.journal.entries.last?.status == 413)
      let head = try await fetch(
        scene.url, authorization: String(repeating: "a", count: 40_000))
      #expect(head.status == 431)
      #expect(try head.json["error"]?["code"] == 431)
    }
  }

  @Test("A stream's tokens are passed on, without a penalty asked for, and it ends with [DONE]")
  func streamed() async throws {
    let bodies = Bodies()
    let pieces = ["data: {\"token\":\"a\"}\n\n", "data: {\"token\":\"b\"}\n\n", "data: [DONE]\n\n"]
    try await GatewayScene.run([pipelineNode("", bodies, pieces: pieces)]) { scene async throws in
      let answer = try await scene.chat(["stream": true])
      #expect(answer.contentType == "text/event-stream")
      #expect(texts(answer) == ["a", "b"])
      #expect(answer.text.hasSuffix("data: [DONE]\n\n"))
      #expect(bodies.all.first?["parameters"]?["repetition_penalty"] == nil)
      #expect(bodies.all.first?["stream"] == true)
      #expect(scene.gateway.journal.entries.last?.generatedTokens == 2)
    }
  }

  @Test("A node that answers 404 to a chat is asked as one of a pipeline, then and later")
  func turnsOutPipeline() async throws {
    let bodies = Bodies()
    let node = pipelineNode("hi", bodies)
    try await GatewayScene.run([
      { request in
        request.path == "/health" ? .json(Array("{}".utf8)) : await node(request)
      }
    ]) { scene async throws in
      #expect(scene.gateway.nodes.map(\.mode) == [.openAI])
      for _ in 0..<2 { #expect(try await scene.chat().status == 200) }
      #expect(scene.gateway.nodes.map(\.mode) == [.pipeline])
      #expect(bodies.all.count == 2)
    }
  }

  @Test("A node that fails is passed over; when all fail, the answer says which was the last")
  func failover() async throws {
    try await GatewayScene.run([failingNode, pipelineNode(), failingNode]) { scene async throws in
      #expect(try await scene.chat().status == 200)
      #expect(scene.gateway.journal.entries.last?.attempts.last?.failure == nil)
    }
    try await GatewayScene.run([failingNode, failingNode]) { scene async throws in
      let answer = try await scene.chat()
      #expect(answer.status == 503)
      #expect(try answer.json["error"]?["message"]?.stringValue?.contains("2 nodes failed") == true)
      #expect(scene.gateway.journal.entries.last?.attempts.count == 2)
    }
  }

  @Test("A stream that breaks begins again at the next node, or goes on in the profile fixed")
  func broken() async throws {
    for profile in GatewayProfile.allCases {
      let bodies = Bodies()
      let whole = [
        "data: {\"token\":\"a\"}\n\n", "data: {\"token\":\"b\"}\n\n", "data: [DONE]\n\n",
      ]
      // Both break the first stream that they are asked for.
      let count = Mutex(0)
      let node: NodeAnswer = { request in
        guard request.path == "/api/v1/generate" else { return await pipelineNode()(request) }
        let isFirst = count.withLock { count in
          count += 1
          return count == 1
        }
        return await pipelineNode("", bodies, pieces: isFirst ? [whole[0]] : whole)(request)
      }
      try await GatewayScene.run([node, node], profile: profile) { scene async throws in
        let answer = try await scene.chat(["stream": true])
        #expect(texts(answer) == ["a", "a", "b"])
        let prompt = "### USER:\nHello\n\n### ASSISTANT:\n"
        #expect(
          bodies.all.map { $0["inputs"]?.stringValue }
            == [prompt, profile == .fixed ? prompt + "a" : prompt])
        // What has come is not asked for again.
        #expect(
          bodies.all.map { $0["parameters"]?["max_new_tokens"] }
            == [512, profile == .fixed ? 511 : 512])
        #expect(
          scene.gateway.journal.entries.last?.attempts.map { $0.failure == nil } == [false, true])
      }
    }
  }

  @Test("A model that is not served, and a body that asks nothing, are refused by what is wrong")
  func refusals() async throws {
    try await GatewayScene.run([pipelineNode()]) { scene async throws in
      let unknown = try await scene.chat(["model": "gpt-5"])
      #expect(unknown.status == 400)
      #expect(try unknown.json["error"]?["message"] == "Model gpt-5 not found")
      for extras: JSONObject in [
        ["messages": []], ["messages": [["role": "user"]]], ["max_tokens": 0], ["temperature": 3],
        ["top_p": "x"], ["stream": 1],
      ] {
        let answer = try await scene.chat(extras)
        #expect(answer.status == 400, "\(extras)")
      }
      #expect(try await fetch(scene.url + "/v1/chat/completions").status == 405)
      #expect(try await fetch(scene.url + "/v2").status == 404)
      let models = try await fetch(scene.url + "/v1/models").json
      #expect(models["data"]?[0]?["id"] == "bloom-560m")
    }
  }

  @Test("Nodes on loopback addresses are refused where the real gateway's rule is asked for")
  func loopback() async throws {
    try await GatewayScene.run([pipelineNode()], allowsLoopback: false) { scene async throws in
      #expect(scene.gateway.nodes.isEmpty && scene.gateway.refusedURLs.count == 1)
      let answer = try await scene.chat()
      #expect(
        answer.status == 503 && answer.text.contains("1 on loopback addresses"), "\(answer.text)")
      #expect(try await fetch(scene.url + "/health").json["refused"] == 1)
    }
  }

  @Test("What wallets did reaches the oracle every ten seconds, as counters that grow")
  func metrics() async throws {
    try await GatewayScene.run([pipelineNode()]) { scene async throws in
      let wallet = try testKey(1).address
      for number in 1...2 {
        #expect(try await scene.chat().status == 200)
        try await scene.clock.waitForSleepers(2)
        scene.time.seconds += 10
        scene.clock.advance(by: .seconds(10))
        let posts = try await scene.gateway.posts.wait(forCount: number)
        // The prompt has 32 bytes, eight tokens by estimate, and the answer two.
        #expect(posts.last?.processedTokens == Int64(number * 10))
        #expect(posts.last?.address == wallet)
      }
      let failures = scene.gateway.posts.entries.compactMap(\.failure)
      #expect(failures.isEmpty)
      #expect(scene.oracle.agent(wallet)?.processedTokens == 20)
      // A minute without work, and the wallet is forgotten.
      try await scene.clock.waitForSleepers(2)
      scene.clock.advance(by: .seconds(60))
      await scene.gateway.postMetrics()
      let count = scene.gateway.posts.count
      await scene.gateway.postMetrics()
      #expect(scene.gateway.posts.count == count)
    }
  }

  @Test("A prompt runs through gateway, node and model, and the oracle learns of it")
  func endToEnd() async throws {
    let checkpoint = try Checkpoint(directory: TestVectors.bloom(.tinyF16))
    try await withPetalsNode(
      NodeConfiguration(checkpoint: checkpoint, http: .init())
    ) { node in
      let address = try #require(node.httpAddress)
      let time = TestTime(1_770_200_000)
      let oracle = MockOracle(
        OracleConfiguration(
          dialects: [.deployed], registration: .everyone, apiKey: "key", unixClock: time.clock))
      let key = try testKey(9)
      _ = await oracle.post(
        nodeRegistration(by: key, endpoint: "http://\(address)"), to: NodeRegistration.path)
      try await oracle.withServer { oracleAddress in
        let gateway = MockGateway(
          GatewayConfiguration(
            oracleURL: oracleAddress.url, apiKey: "key", models: ["bloom-560m"],
            clock: ManualClock(), unixClock: time.clock))
        try await gateway.withServer { address in
          let body: JSON = [
            "model": "bloom-560m", "max_tokens": 6,
            "messages": [["role": "user", "content": "Hello"]],
          ]
          let answer = try await fetch(address.url + "/v1/chat/completions", json: body)
          #expect(answer.status == 200, "\(answer.text)")
          let tokens = try answer.json["usage"]?["completion_tokens"]?.integerValue ?? 0
          #expect((0...6).contains(tokens))
          await gateway.postMetrics()
          #expect(oracle.agent(key.address)?.processedTokens == 8 + tokens)
        }
      }
    }
  }

  /// The pieces of text of a streamed answer.
  private func texts(_ answer: FetchedAnswer) -> [String] {
    choices(answer).compactMap { $0["delta"]?["content"]?.stringValue }
  }

  /// Why a streamed answer ended, as often as it says so.
  private func reasons(_ answer: FetchedAnswer) -> [String] {
    choices(answer).compactMap { $0["finish_reason"]?.stringValue }
  }

  private func choices(_ answer: FetchedAnswer) -> [JSON] {
    answer.text.split(separator: "\n").compactMap { line in
      guard line.hasPrefix("data: {"), let json = try? JSON.parse(String(line.dropFirst(6))) else {
        return nil
      }
      return json["choices"]?[0]
    }
  }
}
