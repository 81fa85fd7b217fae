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
    ]
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
