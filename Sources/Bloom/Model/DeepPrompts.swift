/// Trained vectors that are added to the first tokens' hidden states before each block (P-tuning v2).
///
/// Source: Liu et al., "P-Tuning v2" (2021), in the form in which Petals sends them.
public struct DeepPrompts: Hashable, Sendable {
  /// What is added before each block, `[prompt tokens, hidden]`; equally many tokens for each.
  public let blocks: [HiddenStates]

  /// Prompts for a run of blocks, at least one.
  ///
  /// Throws ``ShapeError`` when they differ in size.
  public init(blocks: [HiddenStates]) throws(ShapeError) {
    guard let first = blocks.first,
      blocks.allSatisfy({ $0.tokens == first.tokens && $0.hidden == first.hidden })
    else {
      throw ShapeError(
        what: "deep prompts", expected: "equal sizes for each of one or more blocks",
        found: "\(blocks.map { "[\($0.tokens), \($0.hidden)]" })")
    }
    self.blocks = blocks
  }

  /// Tokens that something is added to.
  public var tokens: Int { blocks[0].tokens }

  /// Where rows of a workspace take part of the prompts.
  struct Segment {
    let prompts: DeepPrompts
    /// The first prompt token.
    let start: Int
    /// Rows of the workspace.
    let rows: Range<Int>

    /// Adds one block's part to hidden states, row-major.
    func add(to states: UnsafeMutablePointer<Float>, block: Int) {
      let part = prompts.blocks[block]
      part.values.withUnsafeBufferPointer { values in
        for index in 0..<rows.count * part.hidden {
          states[rows.lowerBound * part.hidden + index] += values[start * part.hidden + index]
        }
      }
    }
  }

  /// The part for rows whose first one is the `first`th of its sequence; nil behind the prompts' end.
  func segment(from first: Int, rows: Range<Int>) -> Segment? {
    let count = min(rows.count, tokens - first)
    guard count > 0 else { return nil }
    return Segment(
      prompts: self, start: first, rows: rows.lowerBound..<rows.lowerBound + count)
  }
}
