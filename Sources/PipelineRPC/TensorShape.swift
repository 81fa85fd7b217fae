/// The shape of hidden states on the wire: `[tokens, hidden]`, a batch of one in front allowed.
package struct TensorShape: Hashable, Sendable {
  /// Rows.
  package let tokens: Int
  /// Numbers in a row.
  package let hidden: Int
  /// Whether the sender put a batch of one in front; an answer does the same.
  package let isBatched: Bool

  /// The shape of `tokens` rows of `hidden` numbers.
  package init(tokens: Int, hidden: Int, isBatched: Bool = false) {
    self.tokens = tokens
    self.hidden = hidden
    self.isBatched = isBatched
  }

  /// Checks dimensions that came over the wire.
  ///
  /// - Parameters:
  ///   - dimensions: `[tokens, hidden]` or `[1, tokens, hidden]`.
  ///   - hidden: The model's hidden size.
  /// - Throws: ``TensorError/shape(_:)`` and ``TensorError/hiddenSize(expected:actual:)``.
  package init(dimensions: [Int64], hidden: Int) throws(TensorError) {
    let isBatched = dimensions.count == 3 && dimensions[0] == 1
    let rows = isBatched ? dimensions.dropFirst() : dimensions[...]
    guard rows.count == 2, let first = rows.first, let last = rows.last, first >= 1, last >= 1,
      first <= Int64(Int32.max), last <= Int64(Int32.max)
    else { throw .shape(dimensions) }
    guard last == hidden else { throw .hiddenSize(expected: hidden, actual: Int(last)) }
    self.init(tokens: Int(first), hidden: hidden, isBatched: isBatched)
  }

  /// How many numbers it holds; both sizes fit 31 bits, so this cannot overflow.
  package var count: Int { tokens * hidden }

  /// The dimensions for a message.
  package var dimensions: [Int64] {
    (isBatched ? [1] : []) + [Int64(tokens), Int64(hidden)]
  }
}
