import AsyncPrimitives
import Bloom
import Foundation
import InferenceMetrics
import PetalsNode
import PetalsSwarm
import TestSupport
import TestVectors
import Testing

@Suite(
  "Inference through a swarm", .enabled(if: Daemon.isThere, Daemon.reason), .timeLimit(.minutes(5)))
struct SwarmInferenceTests {
  private let tiny: TinySwarm

  init() throws { tiny = try TinySwarm() }

  @Test(
    "One, two, three and eight servers generate the tokens of the reference",
    arguments: [[], [12], [5, 16], [3, 6, 9, 12, 15, 18, 21]])
  func generation(cuts: [Int]) async throws {
    let bounds = [0] + cuts + [tiny.blockCount]
    let ranges = zip(bounds, bounds.dropFirst()).map { $0..<$1 }
    try await withSwarm(of: tiny, serving: ranges) { nodes, peer in
      try await withSwarmClient(peer, tiny.client, swarm: tiny.model, logger: .quiet) { client in
        #expect(client.route.hops.map(\.blocks.indices) == ranges)
        for name in ["case0", "case1", "case2", "case3"] {
          let expected = try tiny.ids("\(name).generated_ids")
          let result = try await client.ids(
            after: tiny.ids("\(name).input_ids"), count: expected.count)
          #expect(result.generatedIDs == expected, "\(name)")
        }
      }
      for node in nodes {
        // Each server counted each generation once.
        #expect(node.node.metrics.snapshot.totalRequests == 4)
        #expect(node.node.metrics.snapshot.totalTokens == 48)
        try await endsInTime(butCame: "\(node.node.info.cache)") {
          try await node.node.waitUntilIdle()
        }
      }
    }
  }

  @Test("Passes forward and backward give what another implementation gives")
  func passes() async throws {
    try await withSwarm(of: tiny, serving: [0..<12, 12..<24]) { _, peer in
      try await withSwarmClient(peer, tiny.client, swarm: tiny.model, logger: .quiet) { client in
        for name in ["case0", "case3"] {
          let input = try tiny.hidden("\(name).embeddings")
          let output = try await client.forward(input)
          try expectClose(output, try tiny.hidden("\(name).after_second_shard"), name)
          for (shard, range, start) in [
            ("first", 0..<12, "embeddings"), ("second", 12..<24, "after_first_shard"),
          ] {
            let gradient = try await client.backward(
              input: try tiny.hidden("\(name).\(start)"),
              outputGradient: try tiny.hidden("\(name).\(shard)_shard.grad_output"),
              through: try tiny.blocks(range))
            try expectClose(
              gradient, try tiny.hidden("\(name).\(shard)_shard.grad_input"), "\(name) \(shard)")
          }
        }
      }
    }
  }

  @Test("Inputs above a mebibyte go over streams, and give what they give in parts of the way")
  func streams() async throws {
    let tokens = 6000
    var generator = SeededGenerator(seed: 5)
    let values = (0..<tokens * 64).map { _ in Float(generator.unit() - 0.5) }
    let input = try HiddenStates(tokens: tokens, hidden: 64, values: values)
    let configuration = NodeConfiguration(
      checkpoint: tiny.checkpoint, blocks: try tiny.blocks(0..<1), maximumLength: tokens)
    try await withPetalsNode(configuration, logger: .quiet) { node in
      try await withQuietPeer { peer in
        try await withSwarmServer(peer, node: node, model: tiny.model) { _ in
          try await withQuietPeer(SwarmConfiguration(initialPeers: peer.addresses)) { other in
            let transport = try await transport(other, to: peer.id, serving: 0..<1)
            let served = try tiny.served(0..<1)
            let output = try await transport.forward(input, through: served)
            #expect(output == (try await node.transport.forward(input, through: served)))
          }
        }
      }
    }
  }

  /// The transport to a server that is announced.
  private func transport(
    _ peer: SwarmPeer, to id: PeerID, serving range: Range<Int>
  ) async throws -> SwarmTransport {
    let record = ServerRecord(state: .online, throughput: 1, blocks: range)
    return SwarmTransport(
      peer, to: id, record: record, model: tiny.model, identity: tiny.client.identity,
      limits: SwarmLimits())
  }

  @Test("A session rolls back, and goes on as if the later tokens had never been")
  func rollBack() async throws {
    try await withSwarm(of: tiny, serving: [0..<12]) { nodes, peer in
      let transport = try await transport(peer, to: nodes[0].peer.id, serving: 0..<12)
      _ = try await transport.info()
      let session = try await transport.openSession(try opening(0..<12, length: 40))
      let input = try tiny.hidden("case3.embeddings")
      let expected = try tiny.hidden("case3.after_first_shard")
      _ = try await session.step(input.slice(0..<20))
      _ = try await session.step(input.slice(5..<12), startFrom: 20)
      let step = try await session.step(input.slice(10..<33), startFrom: 10)
      #expect(step.position == 33)
      try expectClose(step.hidden, expected.slice(10..<33), "after the roll-back")
      let again = try await session.step(input, startFrom: 0)
      try expectClose(again.hidden, expected, "from the start")
      let error = await #expect(throws: NodeError.self) {
        try await session.step(input.slice(0..<1), startFrom: 39)
      }
      #expect(error?.code == .outOfRange)
    }
  }

  private func opening(_ range: Range<Int>, length: Int) throws -> SessionOpening {
    SessionOpening(
      id: "test", fingerprint: tiny.checkpoint.fingerprint, blocks: try tiny.blocks(range),
      maximumLength: length)
  }

  @Test("Sessions over the swarm and over gRPC share their rounds")
  func sharedRounds() async throws {
    try await withSwarm(of: tiny, serving: [0..<24]) { nodes, peer in
      let node = nodes[0].node
      let address = try #require(node.address)
      try await withGRPCTransports([address]) { grpc in
        let swarm = try await transport(peer, to: nodes[0].peer.id, serving: 0..<24)
        let input = try tiny.hidden("case0.embeddings")
        var sessions: [any BlockSession] = []
        for transport: any BlockTransport in [swarm, grpc[0], swarm, grpc[0]] {
          sessions.append(try await transport.openSession(try opening(0..<24, length: 64)))
        }
        let (before, rounds) = (node.batches, 40)
        try await withThrowingTaskGroup { group in
          for session in sessions {
            group.addTask { for _ in 0..<rounds { _ = try await session.step(input) } }
          }
          try await group.waitForAll()
        }
        let passes = node.batches - before
        #expect(
          passes < sessions.count * rounds, "\(passes) passes for \(sessions.count * rounds) steps")
        for session in sessions { session.cancel() }
      }
    }
  }

  @Test("A server that is killed in mid-session is replaced, and the tokens are the reference's")
  func recovery() async throws {
    let prompt = try tiny.ids("case2.input_ids")
    let expected = try tiny.ids("case2.generated_ids")
    let configuration = NodeConfiguration(
      checkpoint: tiny.checkpoint, blocks: try tiny.blocks(12..<24))
    try await withSwarm(of: tiny, serving: [0..<12, 12..<24]) { nodes, peer in
      let tiny = tiny
      let (isUsed, isOver) = (AsyncState(false), AsyncState(false))
      // A third server whose peer ends while it is used.
      let other = Task {
        try await withPetalsNode(configuration, logger: .quiet) { node in
          try await withQuietPeer(SwarmConfiguration(initialPeers: nodes[0].peer.addresses)) {
            peer in
            try await withSwarmServer(peer, node: node, model: tiny.model) { _ in
              isUsed.update { $0 = true }
              try await isOver.wait { $0 }
            }
          }
        }
      }
      try await isUsed.wait { $0 }
      try await withSwarmClient(peer, tiny.client, swarm: tiny.model, logger: .quiet) { client in
        let stream = try client.generate(
          PipelineRequest(promptIDs: prompt, maxNewTokens: expected.count))
        var ids: [Int32] = []
        var names: Set<String> = []
        for try await token in stream {
          ids.append(token.id)
          names.formUnion((await stream.route)?.hops.map(\.peer) ?? [])
          if ids.count == 4 {
            isOver.update { $0 = true }
            _ = try await other.value
          }
        }
        #expect(ids == expected)
        let result = try #require(await stream.result)
        #expect(result.route.hops.map(\.peer) == nodes.map(\.peer.id.description))
        #expect(names.count >= 2)
      }
    }
  }

  @Test(
    "A server that stands still in mid-session is replaced, and the ids are the same",
    .enabled(if: ProcessGroup.isObservable, "no /proc says when a process is suspended"))
  func silence() async throws {
    let prompt = try tiny.ids("case2.input_ids")
    let expected = try tiny.ids("case2.generated_ids")
    try await withSwarm(of: tiny, serving: [0..<12, 12..<24, 12..<24]) { nodes, peer in
      // More silence than a server that works beside all other tests needs for a sign of life.
      let limits = SwarmLimits(silence: .seconds(10))
      try await withSwarmClient(
        peer, tiny.client, swarm: tiny.model, limits: limits, logger: .quiet
      ) { client in
        let stream = try client.generate(
          PipelineRequest(promptIDs: prompt, maxNewTokens: expected.count, isTraced: true))
        var tokens: [GeneratedToken] = []
        var stopped: (peer: String, daemon: ProcessGroup)?
        do {
          for try await token in stream {
            tokens.append(token)
            if tokens.count == 4 {
              let used = try #require((await stream.route)?.hops.last?.peer)
              let node = try #require(nodes.first { $0.peer.id.description == used })
              let daemon = ProcessGroup(try #require(node.peer.daemonGroup))
              stopped = (used, daemon)
              try await daemon.suspend()
            }
          }
        } catch {
          // A daemon that has ended since is not what went wrong.
          try? stopped?.daemon.resume()
          throw error
        }
        let (silent, daemon) = try #require(stopped)
        let states = daemon.members()
        try daemon.resume()
        let history: Comment = "\(silent) was suspended: \(states); \(Self.history(of: tokens))"
        #expect(tokens.map(\.id) == expected, history)
        let last = try #require(await stream.result).route.hops.last?.peer
        #expect([nodes[1], nodes[2]].map(\.peer.id.description).contains(last), history)
        #expect(last != silent, history)
        // How long depends on what else the machine does; the silence after which it is given up is 10 s.
        let gaps = zip(tokens, tokens.dropFirst()).map { $1.elapsed - $0.elapsed }
        print("swarm: the server that stood still was replaced after \(gaps.max() ?? .zero)")
      }
    }
  }

  /// When each token came, and through which servers.
  private static func history(of tokens: [GeneratedToken]) -> String {
    tokens.map { token in
      let hops = (token.trace?.hops ?? []).map { "\($0.peer.suffix(6)) \($0.blocks)" }
      return "token \(token.index) at \(token.elapsed) by \(hops.joined(separator: ", "))"
    }.joined(separator: "; ")
  }
}
