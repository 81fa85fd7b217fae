import AsyncPrimitives
import Bloom
import PetalsNode
import PetalsSwarm
import PlumiseSwarmTesting
import PlumiseTesting
import TestSupport
import Testing

@Suite("A test's network in a swarm", .timeLimit(.minutes(5)))
struct SwarmNetworkTests {
  private func names(of nodes: [NetworkNode], in swarm: SwarmNetwork) throws -> [String] {
    try nodes.map { try #require(swarm.peer(of: $0)).id.description }
  }

  @Test("A swarm of two nodes generates what one generates", .network(nodes: 2, transport: .swarm))
  func generation() async throws {
    let network = try PetalsNetwork.current
    let result = try await network.generate("Hello", maxNewTokens: 8)
    let alone = try await network.generateLocally("Hello", maxNewTokens: 8)
    #expect(result.generatedIDs == alone)
    let names = try names(of: network.nodes, in: network.swarm)
    #expect(result.route.hops.map(\.peer) == names)
    // What a swarm's client generated is counted, and reported, as anybody's.
    for node in network.nodes {
      #expect(node.metrics.snapshot.totalTokens == 8)
      try await node.register()
      #expect(await node.reporter.reportNow().isAccepted)
      #expect(network.oracle.agent(node.address)?.processedTokens == 8)
    }
    let status = try await network.swarm.status()
    #expect(status.servers.map(\.peer.description) == names)
    #expect(status.unservedBlocks.isEmpty)
  }

  @Test(
    "A node that is killed amid a generation is replaced by the other one of its blocks",
    .network(nodes: 2, transport: .swarm) { $0.blocks.append($0.blocks[1]) })
  func killed() async throws {
    let network = try PetalsNetwork.current
    let alone = try await network.generateLocally("Hello", maxNewTokens: 12)
    try await network.withClient { client in
      let stream = try client.generate(
        PipelineRequest(
          promptIDs: try #require(network.plan.model.tokenizer).encode("Hello"), maxNewTokens: 12))
      var (ids, killed) = ([Int32](), "")
      for try await token in stream {
        ids.append(token.id)
        guard ids.count == 4 else { continue }
        killed = try #require((await stream.route)?.hops.last?.peer)
        let names = try names(of: network.nodes, in: network.swarm)
        let index = try #require(names.firstIndex(of: killed))
        await network.nodes[index].kill()
        #expect(try network.swarm.peer(of: network.nodes[index]) == nil)
      }
      #expect(ids == alone)
      let route = try #require(await stream.result).route
      #expect(route.hops.last?.peer != killed)
    }
  }

  @Test(
    "A node that starts again has its peer's name again, and is found",
    .network(nodes: 2, transport: .swarm))
  func restarted() async throws {
    let network = try PetalsNetwork.current
    let names = try names(of: network.nodes, in: network.swarm)
    let alone = try await network.generateLocally("Hello", maxNewTokens: 4)
    await network.nodes[1].stop()
    #expect(try await network.swarm.status().unservedBlocks == Array(12..<24))
    try await network.nodes[1].restart()
    #expect(try self.names(of: network.nodes, in: network.swarm) == names)
    let result = try await network.generate("Hello", maxNewTokens: 4)
    #expect(result.generatedIDs == alone)
    #expect(result.route.hops.map(\.peer) == names)
    let node = try await network.addNode(blocks: network.plan.blocks[0])
    #expect(try await network.swarm.status().servers.count == 3)
    #expect(try network.swarm.peer(of: node) != nil)
  }

  @Test("A network without a swarm says so", .network(nodes: 1))
  func noSwarm() async throws {
    let network = try PetalsNetwork.current
    #expect(throws: PetalsNetwork.NoSwarm.self) { try network.swarm }
  }

  @Test(
    "Peers on one address cannot be cut off, and the error says what to declare",
    .network(nodes: 1, transport: .swarm))
  func noPartition() async throws {
    let network = try PetalsNetwork.current
    let swarm = try network.swarm
    let error = await #expect(throws: SwarmNetwork.NoNamespaces.self) {
      try await swarm.partition(off: network.nodes)
    }
    #expect(error.map { "\($0)".contains(".swarm(in: .namespaces)") } == true)
  }

  @Test(
    "Nodes in namespaces have addresses of their own",
    .network(nodes: 2, transport: .swarm(in: .namespaces)))
  func addresses() async throws {
    let network = try PetalsNetwork.current
    let swarm = try network.swarm
    let peers = try network.nodes.map { try #require(swarm.peer(of: $0)) }
    let hosts = (peers.flatMap(\.addresses) + swarm.addresses).map(\.transport).compactMap {
      $0.split(separator: "/").dropFirst().first.map(String.init)
    }
    #expect(Set(hosts).count == 3, "\(hosts)")
    #expect(hosts.allSatisfy { $0.hasPrefix("10.77.0.") }, "\(hosts)")
    let result = try await network.generate("Hello", maxNewTokens: 8)
    #expect(
      try await result.generatedIDs == network.generateLocally("Hello", maxNewTokens: 8))
  }

  @Test(
    "A partition amid a generation is survived, and the node is found again once it heals",
    .network(nodes: 2, transport: .swarm(in: .namespaces)) { $0.blocks.append($0.blocks[1]) })
  func partition() async throws {
    let network = try PetalsNetwork.current
    let swarm = try network.swarm
    let alone = try await network.generateLocally("Hello", maxNewTokens: 12)
    let prompt = try #require(network.plan.model.tokenizer).encode("Hello")
    var cutOff: NetworkNode?
    // Silence, not a closed connection, is what tells of it: more of it than a node that works beside all
    // other tests needs for a sign of life.
    try await network.withClient(limits: TransportLimits(silence: .seconds(20))) { client in
      let stream = try client.generate(
        PipelineRequest(promptIDs: prompt, maxNewTokens: 12, isTraced: true))
      var tokens: [GeneratedToken] = []
      for try await token in stream {
        tokens.append(token)
        guard tokens.count == 4 else { continue }
        let used = try #require((await stream.route)?.hops.last?.peer)
        let names = try names(of: network.nodes, in: swarm)
        let node = network.nodes[try #require(names.firstIndex(of: used))]
        cutOff = node
        try await swarm.partition(off: [node])
      }
      let history = tokens.map { "\($0.index) \($0.elapsed) \(($0.trace?.hops ?? []).map(\.peer))" }
      #expect(tokens.map(\.id) == alone, "\(history)")
      let last = try #require(await stream.result).route.hops.last?.peer
      #expect(try last != swarm.peer(of: #require(cutOff))?.id.description, "\(history)")
    }
    // The other one ends: only the one that was cut off has the blocks now.
    let node = try #require(cutOff)
    for other in network.nodes.dropFirst() where other.address != node.address {
      await other.stop()
    }
    try await swarm.heal()
    let name = try #require(swarm.peer(of: node)).id.description
    let result = try await endsInTime(within: .seconds(120), butCame: "no way") {
      // Its connections come back when their two ends try again, which nothing tells of.
      while true {
        do {
          return try await network.generate("Hello", maxNewTokens: 12)
        } catch is RouteError {
          try Task.checkCancellation()
        }
      }
    }
    #expect(result.generatedIDs == alone)
    #expect(result.route.hops.last?.peer == name)
  }
}
