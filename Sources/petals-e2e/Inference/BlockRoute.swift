import Bloom
import PetalsNode

/// Runs hidden states through a range of blocks, local or remote.
protocol BlockPass: Sendable {
  /// Hidden states through the blocks, `[tokens, hidden]` both.
  func forward(_ states: HiddenStates) async throws -> HiddenStates

  /// The gradient of the blocks' input.
  func backward(
    input: HiddenStates, outputGradient: HiddenStates
  ) async throws -> HiddenStates
}

extension Shard: BlockPass {
  func forward(_ states: HiddenStates) async throws -> HiddenStates {
    try await forward(states, cache: nil)
  }
}

/// Nodes that together serve a range of blocks, which need not be the whole model.
struct BlockRoute: BlockPass {
  private struct Hop: Sendable {
    let node: any BlockTransport
    let blocks: ServedBlocks
  }

  private let hops: [Hop]

  /// Orders nodes by their blocks.
  /// - Throws: `CommandFailure` (wrong input) when a node serves another model, or when the nodes'
  ///   blocks are not exactly the range.
  init(
    _ nodes: [any BlockTransport], for checkpoint: Checkpoint, _ range: BlockRange
  ) async throws {
    let infos = try await nodes.concurrentMap { (node: $0, info: try await $0.info()) }
    let ordered = infos.sorted { $0.info.blocks.lowerBound < $1.info.blocks.lowerBound }
    var next = range.lowerBound
    var hops: [Hop] = []
    for (node, info) in ordered {
      guard info.fingerprint == checkpoint.fingerprint else {
        throw CommandFailure.wrongInput("peer \(node.peer) serves another model: \(info.modelName)")
      }
      guard info.blocks.lowerBound == next, info.blocks.upperBound <= range.upperBound else {
        throw CommandFailure.wrongInput(
          "peer \(node.peer) serves blocks \(info.blocks), but blocks from \(next) to "
            + "\(range.upperBound - 1) are needed at that point")
      }
      next = info.blocks.upperBound
      hops.append(
        Hop(node: node, blocks: .init(fingerprint: info.fingerprint, blocks: info.blocks)))
    }
    guard next == range.upperBound else {
      throw CommandFailure.wrongInput(
        "no peer serves blocks \(next)-\(range.upperBound - 1)")
    }
    self.hops = hops
  }

  func forward(_ states: HiddenStates) async throws -> HiddenStates {
    var states = states
    for hop in hops { states = try await hop.node.forward(states, through: hop.blocks) }
    return states
  }

  func backward(
    input: HiddenStates, outputGradient: HiddenStates
  ) async throws -> HiddenStates {
    var inputs = [input]
    for hop in hops.dropLast() {
      inputs.append(try await hop.node.forward(inputs[inputs.count - 1], through: hop.blocks))
    }
    var gradient = outputGradient
    for (hop, input) in zip(hops, inputs).reversed() {
      gradient = try await hop.node.backward(
        input: input, outputGradient: gradient, through: hop.blocks)
    }
    return gradient
  }
}
