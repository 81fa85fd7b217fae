import AsyncPrimitives
import Bloom
import Foundation
import PetalsNode
import PetalsSwarm
import TestSupport
import TestVectors
import Testing

@Suite("Balance of a swarm")
struct SwarmBalanceTests {
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    struct Server: Decodable, Sendable {
      let peer: String
      let start, end: Int
      let throughput: Double
    }
    struct Join: Decodable, Sendable { let count, start: Int }
    struct Verdict: Decodable, Sendable {
      let peer, kind: String
      let start, end: Int?
      let quality: Double?
    }

    let title: String
    let blocks: Int
    let quality: Double
    let servers: [Server]
    let throughputs: [Double]
    let joins: [Join]
    let verdicts: [Verdict]

    var testDescription: String { title }

    static func load() throws -> [Case] {
      try JSONDecoder().decode([Case].self, from: Data(contentsOf: TestVectors.swarmBalance))
    }

    func balance() throws -> SwarmBalance {
      SwarmBalance(
        blockCount: blocks,
        servers: try servers.map {
          SwarmBalance.Server(
            peer: try PeerID(parsing: $0.peer), blocks: $0.start..<$0.end,
            throughput: $0.throughput)
        })
    }
  }

  @Test("A server joins, stays and moves as an independent implementation of Petals' rule says")
  func verdicts() async throws {
    let cases = try Case.load()
    #expect(cases.count > 50)
    var kinds: Set<String> = []
    for one in cases {
      let balance = try one.balance()
      let throughputs = balance.throughputs
      #expect(throughputs.count == one.throughputs.count, "\(one.title)")
      for (own, expected) in zip(throughputs, one.throughputs) {
        #expect(abs(own - expected) <= 1e-9 * max(1, expected), "\(one.title)")
      }
      for join in one.joins {
        let range = balance.worstServed(join.count)
        #expect(range == join.start..<join.start + join.count, "\(one.title), \(join.count) blocks")
      }
      for expected in one.verdicts {
        kinds.insert(expected.kind)
        let peer = try PeerID(parsing: expected.peer)
        let verdict = try await balance.verdict(of: peer, quality: one.quality)
        expect(verdict, expected, "\(one.title), \(expected.peer)")
      }
    }
    #expect(kinds == ["best", "moves", "needed", "stays"])
  }

  private func expect(_ verdict: SwarmBalance.Verdict, _ expected: Case.Verdict, _ what: Comment) {
    func isClose(_ quality: Double?) -> Bool {
      guard let quality, let other = expected.quality else { return quality == expected.quality }
      return abs(quality - other) <= 1e-9
    }
    switch (verdict, expected.kind) {
    case (.isNeeded, "needed"), (.isAtItsBest, "best"): break
    case (.gainsTooLittle(let quality), "stays"): #expect(isClose(quality), what)
    case (.moves(let target, let quality), "moves"):
      #expect(target.lowerBound == expected.start, what)
      #expect(target.upperBound == expected.end, what)
      #expect(isClose(quality), what)
    default: Issue.record("\(verdict) in place of \(expected.kind): \(what)")
    }
  }

  @Test(
    "A throughput that no machine has leaves the others' sums what they are",
    arguments: [Double.nan, .infinity, -1, 1e300])
  func wrongThroughputs(throughput: Double) async throws {
    let (liar, honest) = (SwarmIdentity().peer, SwarmIdentity().peer)
    let balance = SwarmBalance(
      blockCount: 4,
      servers: [
        .init(peer: liar, blocks: 0..<2, throughput: throughput),
        .init(peer: honest, blocks: 0..<4, throughput: 5),
        .init(peer: SwarmIdentity().peer, blocks: 3..<9, throughput: 5),
      ])
    #expect(balance.throughputs.allSatisfy { $0.isFinite && $0 >= 5 })
    #expect(balance.throughputs.suffix(2) == [5, 5])
    #expect(try await balance.verdict(of: honest, quality: 0.75) == .isNeeded)
    #expect(balance.worstServed(2) == (throughput > 0 ? 2..<4 : 0..<2))
    #expect(balance.worstServed(9) == 0..<4)
    #expect(try await balance.verdict(of: SwarmIdentity().peer, quality: 0.75) == .isAtItsBest)
  }
}

@Suite("Balance of a large swarm", .timeLimit(.minutes(5)))
struct LargeSwarmBalanceTests {
  /// Servers with names and throughputs by chance.
  private func servers(
    _ count: Int, of blocks: Int, _ generator: inout SeededGenerator,
    at range: (inout SeededGenerator) -> Range<Int>
  ) -> [SwarmBalance.Server] {
    (0..<count).map { _ in
      let key = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
      return SwarmBalance.Server(
        peer: PeerID(bytes: [0, 36, 8, 1, 18, 32] + key), blocks: range(&generator),
        throughput: .random(in: 1...2000, using: &generator))
    }
  }

  @Test("Moves of a thousand servers are foreseen, and tens of thousands more count as they are")
  func many() async throws {
    var generator = SeededGenerator(seed: 7)
    let many = servers(50_000, of: 70, &generator) { generator in
      let start = Int.random(in: 0..<10, using: &generator)
      return start..<start + 10
    }
    let balance = SwarmBalance(blockCount: 70, servers: many)
    let expected = (0..<70).map { block in
      many.filter { $0.blocks.contains(block) }.reduce(0) { $0 + $1.throughput }
    }
    for (own, sum) in zip(balance.throughputs, expected) { #expect(abs(own - sum) < 1) }
    guard
      case .moves(let target, let quality) = try await balance.verdict(
        of: many[0].peer, quality: 0.75)
    else {
      Issue.record("50 000 servers of blocks 0 to 18 leave 51 blocks to nobody, and none moves")
      return
    }
    #expect(target.lowerBound > 9 && quality == 0)
  }

  @Test("Of more servers than are foreseen the others are taken to stay")
  func foreseen() async throws {
    func verdict(_ count: Int) async throws -> SwarmBalance.Verdict {
      var generator = SeededGenerator(seed: 10)
      // All on one block: each has to take one of its own for all blocks to be served.
      let servers = servers(count, of: count, &generator) { _ in 0..<1 }.map {
        SwarmBalance.Server(peer: $0.peer, blocks: $0.blocks, throughput: 1)
      }
      let balance = SwarmBalance(blockCount: count, servers: servers)
      return try await balance.verdict(of: servers[0].peer, quality: 0.75)
    }
    let most = SwarmBalance.greatestForeseenCount
    #expect(try await verdict(most) == .moves(to: 1..<2, quality: 0))
    #expect(try await verdict(most + 10) == .gainsTooLittle(quality: nil))
  }

  @Test("Servers beyond those that are counted change nothing")
  func beyond() {
    var generator = SeededGenerator(seed: 8)
    let most = servers(SwarmBalance.greatestCount + 5, of: 2, &generator) { _ in 0..<2 }.map {
      SwarmBalance.Server(peer: $0.peer, blocks: $0.blocks, throughput: 1e9)
    }
    let throughputs = SwarmBalance(blockCount: 2, servers: most).throughputs
    #expect(throughputs == Array(repeating: 1e9 * Double(SwarmBalance.greatestCount), count: 2))
  }

  @Test("A look at the balance ends when its task is cancelled")
  func cancellation() async throws {
    var generator = SeededGenerator(seed: 9)
    let servers = servers(2000, of: 70, &generator) { _ in 0..<10 }
    let balance = SwarmBalance(blockCount: 70, servers: servers)
    let peer = servers[0].peer
    let look = Task {
      // Cancelled before it begins, whenever it begins.
      while !Task.isCancelled { await Task.yield() }
      return try await balance.verdict(of: peer, quality: 0.75)
    }
    look.cancel()
    await #expect(throws: CancellationError.self) { try await look.value }
  }
}

@Suite(
  "Placement in a swarm", .enabled(if: Daemon.isThere, Daemon.reason), .timeLimit(.minutes(5)))
struct SwarmPlacementTests {
  private let tiny: TinySwarm

  init() throws { tiny = try TinySwarm() }

  @Test("A server that joins takes the blocks that nobody serves, and offline ones do not count")
  func joining() async throws {
    try await withSwarm(of: tiny, serving: [0..<12]) { nodes, peer in
      #expect(try await peer.worstServedBlocks(12, of: tiny.model).indices == 12..<24)
      #expect(try await peer.worstServedBlocks(99, of: tiny.model).isWholeModel)
      let range = try await peer.worstServedBlocks(8, of: tiny.model)
      let configuration = NodeConfiguration(
        checkpoint: tiny.checkpoint, blocks: range)
      try await withPetalsNode(configuration, logger: .quiet) { node in
        try await withQuietPeer(SwarmConfiguration(initialPeers: nodes[0].peer.addresses)) {
          other in
          try await withSwarmServer(other, node: node, model: tiny.model) { _ in
            #expect(range.indices == 12..<20)
            let next = try await peer.worstServedBlocks(4, of: tiny.model)
            #expect(next.indices == 20..<24)
          }
        }
      }
      #expect(try await peer.worstServedBlocks(4, of: tiny.model).indices == 12..<16)
    }
  }

  @Test("A server that is not needed where it is moves to the blocks that nobody serves")
  func moving() async throws {
    let prompt = try tiny.ids("case0.input_ids")
    let expected = try tiny.ids("case0.generated_ids")
    // Looks follow one another as fast as they come.
    let placement = SwarmPlacement(blockCount: 12, checkInterval: .milliseconds(20))
    try await withSwarm(of: tiny, serving: [0..<12]) { nodes, peer in
      let initial = SwarmConfiguration(initialPeers: nodes[0].peer.addresses)
      try await withQuietPeer(initial) { mover in
        let move = try await serving(0..<12, through: mover) { server in
          try await endsInTime(within: .seconds(60), butCame: "no move") {
            try await server.waitForBetterBlocks(placement, seed: 1)
          }
        }
        #expect(move.blocks.indices == 0..<12)
        #expect(move.target.indices == 12..<24)
        #expect(move.quality == 0)
        #expect(move.description.contains("blocks 0-11 are left for 12-23"))
        let range = try await mover.worstServedBlocks(12, of: tiny.model).indices
        #expect(range == 12..<24)
        try await serving(range, through: mover) { server in
          try await withSwarmClient(peer, tiny.client, swarm: tiny.model, logger: .quiet) {
            client in
            let result = try await client.ids(after: prompt, count: expected.count)
            #expect(result.generatedIDs == expected)
            let peers = [nodes[0].peer.id, mover.id].map(\.description)
            #expect(result.route.hops.map(\.peer) == peers)
          }
          // It is needed now, and stays, however often it looks.
          let balance = try await mover.balance(of: tiny.model)
          #expect(try await balance.verdict(of: mover.id, quality: 0.75) == .isNeeded)
        }
      }
    }
  }

  @Test("A client that knows a server by its earlier blocks finds it at its later ones")
  func movedUnderClient() async throws {
    let prompt = try tiny.ids("case0.input_ids")
    let expected = try tiny.ids("case0.generated_ids")
    try await withSwarm(of: tiny, serving: [0..<12, 12..<24]) { nodes, peer in
      let initial = SwarmConfiguration(initialPeers: nodes[0].peer.addresses)
      try await withQuietPeer(initial) { mover in
        try await withSwarmClient(peer, tiny.client, swarm: tiny.model, logger: .quiet) { client in
          for range in [0..<12, 12..<24] {
            try await serving(range, through: mover) { _ in
              try await client.refresh()
              let result = try await client.ids(after: prompt, count: expected.count)
              #expect(result.generatedIDs == expected)
              // Whichever of two serves a range, each hop is one that serves it now.
              let places = [
                nodes[0].peer.id: 0..<12, nodes[1].peer.id: 12..<24, mover.id: range,
              ].map { ($0.key.description, $0.value) }
              for hop in result.route.hops {
                #expect(places.contains { $0.0 == hop.peer && $0.1 == hop.blocks.indices })
              }
            }
          }
        }
      }
    }
  }

  /// Serves blocks through a peer while a body runs.
  private func serving<Result: Sendable>(
    _ range: Range<Int>, through peer: SwarmPeer, _ body: (SwarmServer) async throws -> Result
  ) async throws -> Result {
    let configuration = NodeConfiguration(
      checkpoint: tiny.checkpoint, blocks: try tiny.blocks(range))
    return try await withPetalsNode(configuration, logger: .quiet) { node in
      try await withSwarmServer(peer, node: node, model: tiny.model) { try await body($0) }
    }
  }
}
