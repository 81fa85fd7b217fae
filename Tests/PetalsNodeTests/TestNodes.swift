import Bloom
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2
import PetalsNode
import PipelineRPC
import TestSupport
import TestVectors
import Testing

/// The tiny checkpoint and what another implementation makes of it.
struct TinyModel: Sendable {
  let checkpoint: Checkpoint
  let expected: Safetensors

  /// The prompts whose hidden states, ids and gradients are known.
  static let cases = ["case0", "case1", "case2", "case3"]

  init(_ model: TestVectors.Model = .tinyF16) throws { try self.init(in: TestVectors.bloom(model)) }

  init(in directory: URL) throws {
    checkpoint = try Checkpoint(directory: directory)
    expected = try Safetensors(directory.appending(path: "expected.safetensors"))
  }

  var ends: ClientModel {
    get throws {
      ClientModel(checkpoint, tokenizer: try Tokenizer(directory: checkpoint.directory))
    }
  }

  func ids(_ name: String) throws -> [Int32] {
    let ids = try expected.integers(name).map { Int32($0) }
    try #require(!ids.isEmpty, "\(name) is empty")
    return ids
  }

  func hidden(_ name: String) throws -> HiddenStates { try expected.hiddenStates(name) }

  func blocks(_ range: Range<Int>) throws -> BlockRange {
    try BlockRange(range, of: checkpoint.configuration.blockCount)
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
  let bounds = [0] + cuts + [model.checkpoint.configuration.blockCount]
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
  of model: TinyModel, _ ranges: ArraySlice<BlockRange>, _ nodes: [PetalsNode],
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

  /// Asks its HTTP API for text.
  /// - Parameter body: JSON.
  func generate(_ body: String) async throws -> FetchedAnswer {
    let address = try #require(httpAddress)
    return try await fetch("http://\(address)/api/v1/generate", "POST", body: Array(body.utf8))
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
  expectClose(actual.values, expected.values, what, sourceLocation: sourceLocation)
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

/// A client that sends what no client of ours would: it speaks the generated code alone.
func withRawClient<Result: Sendable>(
  of node: PetalsNode,
  _ body: (GRPCClient<HTTP2ClientTransport.Posix>) async throws -> Result
) async throws -> Result {
  let address = try node.boundAddress
  return try await withGRPCClient(
    transport: .http2NIOPosix(
      target: .ipv4(address: address.host, port: address.port), transportSecurity: .plaintext)
  ) { try await body($0) }
}

extension Plumise_Petals_Tensor {
  /// A tensor whose parts need not agree.
  init(
    _ shape: [Int64], type: Plumise_Petals_DataType = .float32, values: [Float]? = nil,
    bytes: Int? = nil
  ) {
    self.init()
    self.shape = shape
    dtype = type
    let count = Int(shape.reduce(1, *))
    let values = values ?? Array(repeating: 0.5, count: max(0, min(count, 1 << 20)))
    data = values.withUnsafeBytes { Data($0) }
    if let bytes { data = Data(count: bytes) }
  }
}
