import Bloom
import Foundation
import PetalsNode
import TestVectors
import Testing

/// The tiny checkpoint and what another implementation makes of it.
struct TinyModel: Sendable {
  let checkpoint: Checkpoint
  let expected: Safetensors

  /// The prompts whose hidden states, ids and gradients are known.
  static let cases = ["case0", "case1", "case2", "case3"]

  init(_ model: TestVectors.Model = .tinyF16) throws {
    let directory = TestVectors.bloom(model)
    checkpoint = try Checkpoint(directory: directory)
    expected = try Safetensors(directory.appending(path: "expected.safetensors"))
  }

  var ends: ModelEnds {
    get throws { ModelEnds(checkpoint, tokenizer: try Tokenizer(directory: checkpoint.directory)) }
  }

  func ids(_ name: String) throws -> [Int32] {
    let ids = try expected.integers(name).map { Int32($0) }
    try #require(!ids.isEmpty, "\(name) is empty")
    return ids
  }

  func hidden(_ name: String) throws -> HiddenStates { try expected.hiddenStates(name) }

  func blocks(_ range: Range<Int>) throws -> LayerRange {
    try LayerRange(range, of: checkpoint.configuration.layerCount)
  }

  func served(_ range: Range<Int>) throws -> ServedBlocks {
    ServedBlocks(fingerprint: checkpoint.fingerprint, blocks: try blocks(range))
  }

  func opening(_ range: Range<Int>, length: Int, id: String = "test") throws -> SessionOpening {
    SessionOpening(
      id: id, fingerprint: checkpoint.fingerprint, blocks: try blocks(range),
      maximumLength: length)
  }
}

/// Runs a body with nodes for consecutive ranges: cuts `[12]` of 24 blocks give 0-11 and 12-23.
func withNodes<Result: Sendable>(
  of model: TinyModel, cuts: [Int], configure: (inout NodeConfiguration) throws -> Void = { _ in },
  _ body: ([PetalsNode]) async throws -> Result
) async throws -> Result {
  let bounds = [0] + cuts + [model.checkpoint.configuration.layerCount]
  let ranges = zip(bounds, bounds.dropFirst()).map { $0..<$1 }
  return try await withNodes(of: model, serving: ranges, configure: configure, body)
}

/// Runs a body with nodes for any ranges, which may overlap.
func withNodes<Result: Sendable>(
  of model: TinyModel, serving ranges: [Range<Int>],
  configure: (inout NodeConfiguration) throws -> Void = { _ in },
  _ body: ([PetalsNode]) async throws -> Result
) async throws -> Result {
  let ranges = try ranges.map { try model.blocks($0) }
  return try await withNodes(of: model, ranges[...], [], configure, body)
}

private func withNodes<Result: Sendable>(
  of model: TinyModel, _ ranges: ArraySlice<LayerRange>, _ nodes: [PetalsNode],
  _ configure: (inout NodeConfiguration) throws -> Void,
  _ body: ([PetalsNode]) async throws -> Result
) async throws -> Result {
  guard let blocks = ranges.first else { return try await body(nodes) }
  var configuration = NodeConfiguration(checkpoint: model.checkpoint, blocks: blocks)
  try configure(&configuration)
  return try await withPetalsNode(configuration) { node in
    try await withNodes(of: model, ranges.dropFirst(), nodes + [node], configure, body)
  }
}

extension PetalsNode {
  /// Where it listens, once it is ready.
  var boundAddress: PeerAddress {
    get throws { try #require(address) }
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
  let closeness = Closeness(of: actual.values, to: expected.values)
  #expect(
    closeness.worst <= Closeness.float32, "\(what): \(closeness)", sourceLocation: sourceLocation)
}

/// How a test reaches its nodes.
enum Reach: String, CaseIterable, Sendable {
  case grpc
  case memory

  /// Runs a body with a transport to each node.
  func withTransports<Result: Sendable>(
    to nodes: [PetalsNode], _ body: ([any BlockTransport]) async throws -> Result
  ) async throws -> Result {
    switch self {
    case .memory: try await body(nodes.map(\.transport))
    case .grpc:
      try await withGRPCTransports(nodes.map { try $0.boundAddress }) { try await body($0) }
    }
  }
}
