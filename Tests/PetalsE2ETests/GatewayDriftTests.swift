import Bloom
import MockGateway
import PetalsNode
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

/// Drifts of the network of February 2026 between its gateway and its agents, over sockets.
@Suite("Drift between gateway and agents", .timeLimit(.minutes(5))) struct GatewayDriftTests {
  private func chat(
    _ network: PetalsNetwork, streamed: Bool, tokens: Int = 3
  ) async throws -> FetchedAnswer {
    let url = try #require(network.gatewayAddress).url
    return try await fetch(
      url + "/v1/chat/completions",
      json: [
        "model": .string(network.plan.pipelineModel), "max_tokens": .integer(tokens),
        "stream": .bool(streamed), "temperature": 0,
        "messages": [["role": "user", "content": "Hello"]],
      ])
  }

  private func plan(nodes: NodeLayout, _ profile: GatewayProfile) throws -> NetworkPlan {
    try NetworkPlan(
      nodes: nodes, oracle: .deployed, agents: .newest, gateway: .gateway(profile), links: .faulty)
  }

  /// What a model goes on with when each token that was seen counts for less, computed here.
  ///
  /// Of a pipeline these are the generated ones: "past_token_ids = generated ids" (NETWORK.md, section 5).
  private func greedy(
    _ prompt: [Int32], _ count: Int, penalty: Float, seesPrompt: Bool, of model: ClientModel
  ) async throws -> [Int32] {
    let configuration = model.checkpoint.configuration
    let shard = try Shard(model.checkpoint, blocks: BlockRange(all: configuration.blockCount))
    var generated: [Int32] = []
    while generated.count < count {
      let hidden = try await shard.forward(model.embed(prompt + generated))
      var scores = Array(try await model.logits(hidden, lastOnly: true).row(0))
      for token in Set(generated + (seesPrompt ? prompt : [])) {
        let score = scores[Int(token)]
        scores[Int(token)] = score < 0 ? score * penalty : score / penalty
      }
      let best = try #require(scores.max())
      let id = Int32(try #require(scores.firstIndex(of: best)))
      if configuration.endsSequence(id) { break }
      generated.append(id)
    }
    return generated
  }

  @Test(
    "35: a pipeline penalises what was generated, a single node the prompt too: other tokens",
    arguments: AgentProfile.allCases)
  func penalty(profile: AgentProfile) async throws {
    // "A pipeline penalises generated ids, a single node the prompt too: other tokens" (NETWORK.md,
    // section 8, drift 35).
    let prompt = "to be or not to be, that is the question: to be or not"
    var texts: [[String]] = []
    for (nodes, seesPrompt) in [(2, false), (1, true)] as [(NodeLayout, Bool)] {
      try await withNetwork(nodes: nodes, oracle: .deployed, agents: .newest(profile)) { network in
        let url = try #require(network.nodes[0].httpURL) + "/api/v1/generate"
        let tokenizer = try #require(network.plan.model.tokenizer)
        var made: [String] = []
        for penalty in [1.0, 2.0] {
          let answer = try await fetch(
            url,
            json: [
              "inputs": .string(prompt),
              "parameters": [
                "max_new_tokens": 16, "do_sample": false,
                "repetition_penalty": .number(JSONNumber(javaScript: penalty)),
              ],
            ])
          #expect(answer.status == 200, "\(answer.text)")
          let text = try #require(try answer.json["generated_text"]?.stringValue)
          let expected = try await greedy(
            tokenizer.encode(prompt), 16, penalty: Float(penalty), seesPrompt: seesPrompt,
            of: network.plan.model)
          #expect(text == tokenizer.decode(expected), "\(nodes) nodes, penalty \(penalty)")
          made.append(text)
        }
        texts.append(made)
      }
    }
    #expect(texts[0][0] == texts[1][0] && texts[0][1] != texts[1][1])
  }

  @Test(
    "41: a stream from an agent with the whole model is asked for where it is a 404",
    arguments: GatewayProfile.allCases)
  func streamOfWholeModel(profile: GatewayProfile) async throws {
    try await withPetalsNetwork(plan(nodes: 1, profile)) { network in
      let answer = try await chat(network, streamed: true)
      let attempt = try #require(network.gateway?.journal.entries.last?.attempts.first)
      switch profile {
      case .faithful:
        #expect(answer.status == 503)
        #expect(attempt.failure?.contains("/v1/chat/completions answered 404") == true)
      case .fixed:
        #expect(answer.status == 200 && answer.text.contains("[DONE]"), "\(answer.text)")
        #expect(attempt.failure == nil)
      }
      // What is not streamed is asked for again where it is answered.
      #expect(try await chat(network, streamed: false).status == 200)
    }
  }

  @Test(
    "43: an agent's failure reaches the user as a text", arguments: GatewayProfile.allCases)
  func errorEvent(profile: GatewayProfile) async throws {
    try await withPetalsNetwork(plan(nodes: 2, profile)) { network in
      try await #require(network.nodes[1].link).cut()
      let answer = try await chat(network, streamed: true)
      let attempt = try #require(network.gateway?.journal.entries.last?.attempts.first)
      #expect(attempt.failure != nil)
      let peer = network.nodes[1].peer.description
      switch profile {
      case .faithful:
        // A piece of the answer, as if the model had said it; its quotes are escaped once more.
        #expect(answer.status == 200)
        #expect(answer.text.contains(#"{\"error\":"#), "\(answer.text)")
        #expect(answer.text.contains(peer), "\(answer.text)")
      case .fixed:
        #expect(answer.status == 503, "\(answer.text)")
        #expect(attempt.failure?.contains(peer) == true, "\(attempt)")
      }
    }
  }
}
