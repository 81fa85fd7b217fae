import Bloom
import Foundation
import PetalsNode
import PetalsSwarm
import TestSupport
import TestVectors
import Testing

/// Whether tests that need p2pd can run.
enum Daemon {
  static let reason: Comment = "p2pd is missing: run `make deps-swarm`"
  static var isThere: Bool { (try? SwarmDaemonFile.find()) != nil }
}

/// The tiny checkpoint and what another implementation makes of it.
struct TinySwarm: Sendable {
  let checkpoint: Checkpoint
  let expected: Safetensors
  let model: SwarmModel

  init() throws {
    let directory = TestVectors.bloom(.tinyF16)
    checkpoint = try Checkpoint(directory: directory)
    expected = try Safetensors(directory.appending(path: "expected.safetensors"))
    model = try SwarmModel(prefix: "tiny-petals", blockCount: checkpoint.configuration.blockCount)
  }

  var blockCount: Int { checkpoint.configuration.blockCount }
  var client: ClientModel { ClientModel(checkpoint) }

  func hidden(_ name: String) throws -> HiddenStates { try expected.hiddenStates(name) }

  func blocks(_ range: Range<Int>) throws -> BlockRange { try BlockRange(range, of: blockCount) }

  func served(_ range: Range<Int>) throws -> ServedBlocks {
    ServedBlocks(fingerprint: checkpoint.fingerprint, blocks: try blocks(range))
  }

  func ids(_ name: String) throws -> [Int32] {
    let ids = try expected.integers(name).map { Int32($0) }
    try #require(!ids.isEmpty, "\(name) is empty")
    return ids
  }
}

/// A node of a test's swarm.
struct SwarmTestNode: Sendable {
  let node: PetalsNode
  let peer: SwarmPeer
  let server: SwarmServer
}

/// Runs a body with a peer that logs nothing: what other peers do wrong is what tests are about.
func withQuietPeer<Result: Sendable>(
  _ configuration: SwarmConfiguration = SwarmConfiguration(),
  isolation: isolated (any Actor)? = #isolation, _ body: (SwarmPeer) async throws -> Result
) async throws -> Result {
  try await withSwarmPeer(configuration, logger: .quiet, body)
}

/// Runs a body with nodes in a swarm of their own, each with a p2pd of its own, and a client's peer.
func withSwarm<Result: Sendable>(
  of tiny: TinySwarm, serving ranges: [Range<Int>],
  _ body: ([SwarmTestNode], SwarmPeer) async throws -> Result
) async throws -> Result {
  try await withSwarm(of: tiny, ranges[...], [], body)
}

private func withSwarm<Result: Sendable>(
  of tiny: TinySwarm, _ ranges: ArraySlice<Range<Int>>, _ nodes: [SwarmTestNode],
  _ body: ([SwarmTestNode], SwarmPeer) async throws -> Result
) async throws -> Result {
  let initial = nodes.first?.peer.addresses ?? []
  guard let range = ranges.first else {
    return try await withQuietPeer(
      SwarmConfiguration(initialPeers: initial, membership: .client)
    ) { try await body(nodes, $0) }
  }
  let configuration = NodeConfiguration(checkpoint: tiny.checkpoint, blocks: try tiny.blocks(range))
  return try await withPetalsNode(configuration, logger: .quiet) { node in
    try await withQuietPeer(SwarmConfiguration(initialPeers: initial)) { peer in
      try await withSwarmServer(peer, node: node, model: tiny.model) { server in
        let all = nodes + [SwarmTestNode(node: node, peer: peer, server: server)]
        return try await withSwarm(of: tiny, ranges.dropFirst(), all, body)
      }
    }
  }
}

extension PipelineClient {
  /// Generates greedily.
  func ids(after prompt: [Int32], count: Int) async throws -> GenerationResult {
    try await generate(PipelineRequest(promptIDs: prompt, maxNewTokens: count)).collect()
  }
}

/// Requires equality within 2e-4 of the largest expected value, and names the worst element.
func expectClose(
  _ actual: HiddenStates, _ expected: HiddenStates, _ what: String,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  try #require(
    actual.tokens == expected.tokens && actual.hidden == expected.hidden,
    sourceLocation: sourceLocation)
  expectClose(
    actual.values, expected.values, what, sourceLocation: sourceLocation)
}
