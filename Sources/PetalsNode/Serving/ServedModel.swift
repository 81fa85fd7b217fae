import Bloom

/// What a node knows of its model before the weights are there.
struct ServedModel: Sendable {
  let name: String
  let fingerprint: String
  let blocks: LayerRange
  let hiddenSize: Int
  /// Most tokens that one session or pass may hold.
  let maximumLength: Int

  /// Refuses a caller who means another model.
  ///
  /// - Throws: ``NodeError/Code/failedPrecondition``.
  func check(fingerprint other: String?) throws(NodeError) {
    guard let other, other != fingerprint else { return }
    throw NodeError(
      .failedPrecondition,
      "this node serves \(name) with fingerprint \(fingerprint), not \(other)")
  }

  /// Refuses a caller who counts on other blocks.
  ///
  /// - Throws: ``NodeError/Code/outOfRange``.
  func check(blocks other: Range<Int>?) throws(NodeError) {
    guard let other, other != blocks.indices else { return }
    let asked = other.isEmpty ? "\(other)" : "\(other.lowerBound)-\(other.upperBound - 1)"
    throw NodeError(
      .outOfRange,
      "this node serves blocks \(blocks) of \(blocks.layerCount) as a whole, not blocks \(asked)")
  }

  /// Refuses hidden states of another model, or too many of them.
  ///
  /// - Throws: ``NodeError/Code/invalidArgument`` and ``NodeError/Code/outOfRange``.
  func check(_ hidden: HiddenStates) throws(NodeError) {
    guard hidden.hidden == hiddenSize else {
      throw NodeError(
        .invalidArgument,
        "the model's hidden size is \(hiddenSize), but the hidden states have \(hidden.hidden)")
    }
    guard (1...maximumLength).contains(hidden.tokens) else {
      throw NodeError(
        .outOfRange, "\(hidden.tokens) tokens at once: this node takes 1 to \(maximumLength)")
    }
  }
}
