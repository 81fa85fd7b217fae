import AsyncPrimitives
import Foundation
import PlumiseTesting

/// How long whole networks take that live long, and that live at the same time.
struct NetworkBench: Sendable {
  let runs: Int

  func rows() async throws -> [BenchRow] {
    [try await simulatedHours()] + (try await manyNetworks())
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
    return BenchRow("networks", "ten simulated hours of three nodes", "ms", times)
  }

  /// Networks that are all up at the same time, and what is allocated before and after them.
  private func manyNetworks() async throws -> [BenchRow] {
    let clock = ContinuousClock()
    var times: [Double] = []
    var memory: [(String, Double)] = []
    func note(_ when: String) {
      // What the C library keeps for later is held by no network.
      Machine.releaseFreeMemory()
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
    return [BenchRow("networks", "\(Self.networks) networks of a node, all at once", "s", times)]
      + memory.map { BenchRow("networks", "memory \($0.0)", "MiB", [$0.1]) }
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
}
