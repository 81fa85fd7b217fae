import Bloom
import Foundation
import PetalsNode
import PlumiseTesting
import Testing

@Suite("Cache memory of a node", .timeLimit(.minutes(5)))
struct MemoryTests {
  let model: TinyModel

  init() throws { model = try TinyModel() }

  /// Room for 100 tokens in 12 blocks.
  private func budget(_ configuration: inout NodeConfiguration) {
    configuration.cacheBudget =
      100
      * Shard.bytesPerCachedToken(
        configuration.checkpoint.configuration, blocks: configuration.blocks)
  }

  @Test("Sessions reserve their maximum, and one too many is refused", arguments: Reach.allCases)
  func refusal(reach: Reach) async throws {
    try await withNodes(of: model, cuts: [12], configure: budget) { nodes in
      try await reach.withTransports(to: nodes) { peers in
        let first = try await peers[0].openSession(model.opening(0..<12, length: 60))
        var usage = try await peers[0].info().cache
        #expect(usage.sessions == 1)
        #expect(usage.usedBytes == 60 * usage.bytesPerToken)
        #expect(usage.tokensLeft == 40)

        let error = await #expect(throws: NodeError.self) {
          try await peers[0].openSession(model.opening(0..<12, length: 41, id: "greedy"))
        }
        #expect(error?.code == .resourceExhausted)
        #expect(error?.message.contains("session greedy") == true)

        try await first.finish(SessionSummary(generatedTokens: 0, latency: .zero))
        usage = try await peers[0].info().cache
        #expect(usage.usedBytes == 0)
        #expect(usage.sessions == 0)
      }
    }
  }

  @Test("With caches of 16 bits twice as many tokens have a place", arguments: Reach.allCases)
  func halves(reach: Reach) async throws {
    func configure(_ configuration: inout NodeConfiguration) {
      budget(&configuration)
      configuration.cacheType = .f16
    }
    try await withNodes(of: model, cuts: [12], configure: configure) { nodes in
      try await reach.withTransports(to: nodes) { peers in
        let session = try await peers[0].openSession(model.opening(0..<12, length: 150))
        let usage = try await peers[0].info().cache
        // Keys and values of 12 blocks, 64 numbers of two bytes.
        #expect(usage.bytesPerToken == 2 * 12 * 64 * 2)
        // Room for 200 tokens is 12 panels of 16, of which 150 tokens take 10.
        #expect(usage.usedBytes == 160 * usage.bytesPerToken && usage.tokensLeft == 32)
        let error = await #expect(throws: NodeError.self) {
          try await peers[0].openSession(model.opening(0..<12, length: 33, id: "greedy"))
        }
        #expect(error?.code == .resourceExhausted && error?.message.contains("33 tokens") == true)
        try await peers[0].openSession(model.opening(0..<12, length: 32)).cancel()
        try await session.finish(SessionSummary(generatedTokens: 0, latency: .zero))
        let ids: [Int32] = [5, 6, 7]
        let expected = try await LocalGenerator(model.checkpoint, cacheType: .f16).generate(
          Bloom.GenerationRequest(prompt: ids, maxNewTokens: 8)
        ).ids
        let found = try await withPipelineClient(model.ends, transports: peers) { client in
          try await client.generate(PipelineRequest(promptIDs: ids, maxNewTokens: 8)).collect()
        }
        #expect(found.generatedIDs == expected)
      }
    }
    let half = NodeConfiguration(
      checkpoint: model.checkpoint, cacheType: .f16, maximumLength: 1 << 20)
    let whole = NodeConfiguration(checkpoint: model.checkpoint, maximumLength: 1 << 20)
    #expect(whole.cacheType == .f32 && whole.cacheBudget == 2 * half.cacheBudget)
  }

  @Test("Memory comes back when a session is cancelled")
  func cancelled() async throws {
    try await withNodes(of: model, cuts: [12], configure: budget) { nodes in
      try await withGRPCTransports([nodes[0].boundAddress]) { peers in
        for _ in 0..<3 {
          let session = try await peers[0].openSession(model.opening(0..<12, length: 100))
          _ = try await session.step(model.hidden("case1.embeddings"))
          session.cancel()
          try await nodes[0].waitUntilIdle()
          #expect(nodes[0].info.cache.usedBytes == 0)
        }
      }
    }
  }

  @Test("Memory comes back when a client disappears")
  func disconnected() async throws {
    try await withNodes(of: model, cuts: [12], configure: budget) { nodes in
      for _ in 0..<3 {
        try await withGRPCTransports([nodes[0].boundAddress]) { peers in
          let session = try await peers[0].openSession(model.opening(0..<12, length: 100))
          _ = try await session.step(model.hidden("case1.embeddings"))
          #expect(nodes[0].info.cache.sessions == 1)
        }
        try await nodes[0].waitUntilIdle()
        #expect(nodes[0].info.cache.usedBytes == 0)
      }
    }
  }

  @Test("A session whose client is silent for too long is ended, and says so")
  func silent() async throws {
    let clock = ManualClock()
    let configuration = NodeConfiguration(
      checkpoint: model.checkpoint, blocks: try model.blocks(0..<12),
      sessionIdleLimit: .seconds(90))
    try await withPetalsNode(configuration, clock: clock) { node in
      try await withGRPCTransports([node.boundAddress]) { peers in
        let session = try await peers[0].openSession(model.opening(0..<12, length: 8))
        _ = try await session.step(model.hidden("case0.embeddings"))
        try await clock.waitForSleeper(until: .seconds(90))
        clock.advance(by: .seconds(90))
        try await node.waitUntilIdle()
        let error = await #expect(throws: NodeError.self) {
          try await session.step(model.hidden("case0.embeddings"))
        }
        #expect(error?.code == .deadlineExceeded, "\(error as Any)")
      }
    }
  }

  @Test("A session of more tokens than the node takes is refused", arguments: [0, -1, 2049])
  func length(tokens: Int) async throws {
    try await withNodes(of: model, cuts: [12]) { nodes in
      let error = await #expect(throws: NodeError.self) {
        try await nodes[0].transport.openSession(model.opening(0..<12, length: tokens))
      }
      #expect(error?.code == .outOfRange)
    }
  }
}

@Suite("Sessions that share a node", .timeLimit(.minutes(5)))
struct SharedDecodingTests {
  let model: TinyModel

  init() throws { model = try TinyModel() }

  @Test(
    "Generations at once, one of them cancelled, are those that run alone", arguments: [1, 128])
  func oneCancelled(chunk: Int) async throws {
    try await withNodes(of: model, cuts: [12], configure: { $0.prefillChunk = chunk }) { nodes in
      try await withPipelineClient(model.ends, peers: nodes.map { try $0.boundAddress }) { client in
        try await withThrowingDiscardingTaskGroup { group in
          group.addTask {
            let request = try PipelineRequest(
              promptIDs: model.ids("case3.input_ids"), maxNewTokens: 1000)
            var made = 0
            for try await _ in try client.generate(request) {
              made += 1
              if made == 3 { break }
            }
          }
          for number in 0..<12 {
            group.addTask {
              let name = TinyModel.cases[number % TinyModel.cases.count]
              let expected = try model.ids("\(name).generated_ids")
              let result = try await client.generate(
                PipelineRequest(
                  promptIDs: model.ids("\(name).input_ids"), maxNewTokens: expected.count)
              ).collect()
              #expect(result.generatedIDs == expected, "\(name)")
            }
          }
        }
      }
      for node in nodes {
        try await node.waitUntilIdle()
        #expect(node.info.cache.usedBytes == 0)
        #expect(node.metrics.snapshot.totalTokens == 147)
      }
    }
  }

  @Test("After a thousand sessions all memory is back")
  func thousand() async throws {
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await thousandSessions(of: nodes[0], through: nodes[0].transport, cancelling: 3)
    }
  }

  @Test("After a thousand sessions over sockets all memory is back")
  func thousandOverSockets() async throws {
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await withGRPCTransports([nodes[0].boundAddress]) { transports in
        // A server closes the connection of a client that resets many calls (200 in half a minute).
        try await thousandSessions(of: nodes[0], through: transports[0], cancelling: 20)
      }
    }
  }

  private func thousandSessions(
    of node: PetalsNode, through transport: any BlockTransport, cancelling share: Int
  ) async throws {
    let input = try model.hidden("case1.embeddings")
    func session(_ number: Int) async throws {
      // Room for 2048 tokens, 2 MiB: caches that stayed would be seen.
      let session = try await transport.openSession(
        model.opening(0..<2, length: 2048, id: "\(number)"))
      _ = try await session.step(input)
      _ = try await session.step(input.slice(0..<1))
      if number.isMultiple(of: share) {
        session.cancel()
      } else {
        try await session.finish(SessionSummary(generatedTokens: 1, latency: .zero))
        // What a client does in any case; of a session that is over it must reset nothing.
        session.cancel()
      }
    }
    for number in 0..<50 { try await session(number) }
    let before = Self.addressSpace
    for number in 50..<1000 { try await session(number) }
    try await node.waitUntilIdle()
    #expect(node.info.cache.usedBytes == 0)
    #expect(node.info.cache.sessions == 0)
    // Half of what the caches would take; other tests run at the same time.
    if let before, let after = Self.addressSpace {
      #expect(after - before < 950 * (2 << 20) / 2, "\(after - before) bytes more")
    }
  }

  /// Bytes that the process has asked the system for; nil where it does not tell.
  private static var addressSpace: Int? {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8),
      let pages = text.split(separator: " ").first.flatMap({ Int($0) })
    else { return nil }
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
  }
}
