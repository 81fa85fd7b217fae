import AsyncPrimitives
import Bloom
import Foundation
import MockOracle
import MockWeb3
import PetalsNode
import PlumiseTesting

/// How long the parts take from nothing to their first answer and back to nothing, in process.
struct FixtureBench: Sendable {
  let runs: Int

  func rows() async throws -> [BenchRow] {
    let path = try ModelSource.synthesized(.tiny).folder(quiet: true).path
    return [
      try await row("chain: start, serve, stop") { try await chain() },
      try await row("oracle: start, serve, stop") { try await oracle() },
      try await row("two nodes of a tiny model: start, route, stop") { try await nodes(path) },
      try await row("network of two nodes, chain and oracle: up and down") {
        try await withNetwork(nodes: 2) { _ in }
      },
      try await simulatedHours(),
    ] + (try await manyNetworks())
  }

  /// Heartbeats and reports of three nodes over ten hours of network time.
  private func simulatedHours() async throws -> BenchRow {
    var plan = try NetworkPlan(nodes: 3)
    plan.runsServices = true
    let clock = ContinuousClock()
    var times: [Double] = []
    for _ in 0..<runs {
      try await withPetalsNetwork(plan) { network in
        let began = clock.now
        try await network.time.advance(by: .seconds(10 * 3600))
        times.append((clock.now - began) / .milliseconds(1))
        let reports = network.oracle.agent(network.nodes[0].address)?.reportCount ?? 0
        guard reports == 600 else {
          throw CommandFailure.failed("a node reported \(reports) times in ten hours, not 600")
        }
      }
    }
    return BenchRow("fixtures", "ten simulated hours of three nodes", "ms", times)
  }

  /// Networks that are all up at the same time, and what the process holds before and behind them.
  private func manyNetworks() async throws -> [BenchRow] {
    let clock = ContinuousClock()
    var times: [Double] = []
    var memory: [(String, Double)] = []
    func note(_ when: String) {
      // Only Linux says what a process holds.
      guard let held = Machine.anonymousMebibytes else { return }
      memory.append((when, held))
    }
    note("before")
    for round in 1...2 {
      let began = clock.now
      try await Self.networksAtOnce(Self.networks)
      times.append((clock.now - began) / .seconds(1))
      note("after \(round * Self.networks) networks")
    }
    return [BenchRow("fixtures", "\(Self.networks) networks of a node, all at once", "s", times)]
      + memory.map { BenchRow("fixtures", "memory \($0.0)", "MiB", [$0.1]) }
  }

  private static let networks = 1000

  private static func networksAtOnce(_ count: Int) async throws {
    let up = Gathering(of: count)
    try await withThrowingTaskGroup { group in
      for _ in 0..<count {
        group.addTask {
          try await withNetwork(nodes: 1) { _ in try await up.wait() }
        }
      }
      try await group.waitForAll()
    }
  }

  /// Lets tasks go on once all of them are here.
  private final class Gathering: Sendable {
    private let missing: AsyncState<Int>

    init(of count: Int) { missing = AsyncState(count) }

    func wait() async throws {
      missing.update { $0 -= 1 }
      try await missing.wait { $0 <= 0 }
    }
  }

  private func row(_ name: String, _ work: () async throws -> Void) async throws -> BenchRow {
    // The first run also derives the well-known accounts, starts threads, and fills caches.
    try await work()
    let clock = ContinuousClock()
    var times: [Double] = []
    for _ in 0..<runs {
      let began = clock.now
      try await work()
      times.append((clock.now - began) / .milliseconds(1))
    }
    return BenchRow("fixtures", name, "ms", times)
  }

  private func chain() async throws {
    try await MockWeb3().withServer { _ = try await ChainClient(url: $0.url).chainID() }
  }

  private func oracle() async throws {
    try await MockOracle.withServer { _, address in
      try await OracleClient(url: address.url).requireReady()
    }
  }

  private func nodes(_ path: String) async throws {
    let checkpoint = try ModelFolder.checkpoint(path)
    let halves = try BlockRange.split(blockCount: checkpoint.configuration.blockCount, into: 2)
    let first = NodeConfiguration(checkpoint: checkpoint, blocks: halves[0])
    let second = NodeConfiguration(checkpoint: checkpoint, blocks: halves[1])
    try await withPetalsNode(first) { a in
      try await withPetalsNode(second) { b in
        let peers = [a, b].compactMap(\.address)
        try await withPipelineClient(ClientModel(checkpoint), peers: peers) { _ in }
      }
    }
  }
}
