import Bloom

/// What a node knows of its model before the weights are there.
struct ServedModel: Sendable {
  let name: String
  let fingerprint: String
  let blocks: LayerRange
  let hiddenSize: Int
  /// Cache that one token takes in one block.
  let bytesPerBlock: Int
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

  /// The blocks that a caller asks for, which may be a part of the node's; nil asks for all.
  ///
  /// - Throws: ``NodeError/Code/outOfRange`` for blocks that are not the node's.
  func part(_ asked: Range<Int>?) throws(NodeError) -> LayerRange {
    guard let asked, asked != blocks.indices else { return blocks }
    if !asked.isEmpty, asked.lowerBound >= blocks.lowerBound,
      asked.upperBound <= blocks.upperBound,
      let part = try? LayerRange(asked, of: blocks.layerCount)
    {
      return part
    }
    let text = asked.isEmpty ? "\(asked)" : "\(asked.lowerBound)-\(asked.upperBound - 1)"
    throw NodeError(
      .outOfRange,
      "this node serves blocks \(blocks) of \(blocks.layerCount), not blocks \(text)")
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
