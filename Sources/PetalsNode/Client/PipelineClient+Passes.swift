public import Bloom

// Passes without a cache. They keep nothing on the nodes: what fails is asked of another node.

extension PipelineClient {
  /// Hidden states `[tokens, hidden]` through blocks, without a cache.
  ///
  /// - Parameters:
  ///   - hidden: The input of the first block.
  ///   - blocks: All of the model's when nil.
  /// - Throws: ``NodeError``, ``RouteError``, `CancellationError`.
  public func forward(
    _ hidden: HiddenStates, through blocks: BlockRange? = nil
  ) async throws -> HiddenStates {
    var failures = PassFailures()
    return try await inputs(
      of: range(blocks), first: hidden, untilTheEnd: true, &failures
    ).output
  }

  /// The gradient of the first block's input, from that of the last block's output.
  ///
  /// The hidden states go forward to the last node, and the gradients back from it to the first:
  /// each node computes its own part again from the input that it is sent.
  /// - Parameters:
  ///   - input: What the first of the blocks gets, `[tokens, hidden]`.
  ///   - outputGradient: Of the same shape.
  ///   - blocks: All of the model's when nil.
  /// - Throws: ``NodeError``, ``RouteError``, `CancellationError`.
  public func backward(
    input: HiddenStates, outputGradient: HiddenStates, through blocks: BlockRange? = nil
  ) async throws -> HiddenStates {
    var failures = PassFailures()
    return try await backward(range(blocks), input, outputGradient, &failures)
  }

  private func range(_ blocks: BlockRange?) -> Range<Int> {
    blocks?.indices ?? 0..<model.identity.blockCount
  }

  private func backward(
    _ range: Range<Int>, _ input: HiddenStates, _ outputGradient: HiddenStates,
    _ failures: inout PassFailures
  ) async throws -> HiddenStates {
    let way = try await inputs(of: range, first: input, untilTheEnd: false, &failures)
    var gradient = outputGradient
    for (hop, input) in way.hops.reversed() {
      do {
        gradient = try await directory.transport(to: hop.peer).backward(
          input: input, outputGradient: gradient, through: served(hop.blocks))
      } catch {
        try failures.add(hop.peer, error, directory)
        gradient = try await backward(hop.blocks.indices, input, gradient, &failures)
      }
    }
    return gradient
  }

  /// Sends hidden states forward and keeps what each node got.
  ///
  /// - Parameter untilTheEnd: Whether the last node computes too, and the output is its own.
  private func inputs(
    of range: Range<Int>, first: HiddenStates, untilTheEnd: Bool, _ failures: inout PassFailures
  ) async throws -> (hops: [(Route.Hop, HiddenStates)], output: HiddenStates) {
    var hidden = first
    var done: [(Route.Hop, HiddenStates)] = []
    var next = range.lowerBound
    while next < range.upperBound {
      let route = try await route(
        next..<range.upperBound, length: hidden.tokens, excluding: failures.excluded)
      guard let hop = route.hops.first else { break }
      if hop.blocks.upperBound < range.upperBound || untilTheEnd {
        do {
          let output = try await directory.transport(to: hop.peer)
            .forward(hidden, through: served(hop.blocks))
          done.append((hop, hidden))
          hidden = output
        } catch {
          try failures.add(hop.peer, error, directory)
          continue
        }
      } else {
        done.append((hop, hidden))
      }
      next = hop.blocks.upperBound
    }
    return (done, hidden)
  }

  private func served(_ blocks: BlockRange) -> ServedBlocks {
    ServedBlocks(fingerprint: model.identity.fingerprint, blocks: blocks)
  }
}

/// The peers that failed a pass.
private struct PassFailures {
  private(set) var excluded: [String: NodeError] = [:]

  /// Does without a peer for the rest of the pass, or throws what no other peer can help.
  mutating func add(_ peer: String, _ error: any Error, _ directory: PeerDirectory) throws {
    try Task.checkCancellation()
    guard let error = error as? NodeError, error.code != .invalidArgument else { throw error }
    excluded[peer] = error
    if error.code != .resourceExhausted { directory.ban(peer, error) }
  }
}
