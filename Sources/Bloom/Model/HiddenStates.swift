/// The activations between two blocks: one row of `hidden` numbers for each token.
public struct HiddenStates: Sendable, Hashable {
  /// Rows, one for each token.
  public let tokens: Int
  /// Elements of a row.
  public let hidden: Int
  /// Row-major [tokens, hidden].
  public let values: [Float]

  /// `values` must hold exactly `tokens` rows of `hidden`, both positive.
  public init(tokens: Int, hidden: Int, values: [Float]) throws(ShapeError) {
    guard tokens > 0, hidden > 0 else {
      throw ShapeError(
        what: "hidden states", expected: "at least one token and one element",
        found: "[\(tokens), \(hidden)]")
    }
    let (count, overflow) = tokens.multipliedReportingOverflow(by: hidden)
    guard !overflow, values.count == count else {
      throw ShapeError(
        what: "hidden states", expected: "\(tokens) x \(hidden) values",
        found: "\(values.count)")
    }
    self.tokens = tokens
    self.hidden = hidden
    self.values = values
  }

  /// The hidden state of one token.
  public func row(_ token: Int) -> ArraySlice<Float> {
    values[token * hidden..<(token + 1) * hidden]
  }

  /// A run of tokens, which must not be empty.
  public func slice(_ range: Range<Int>) -> HiddenStates {
    precondition(!range.isEmpty && range.lowerBound >= 0 && range.upperBound <= tokens)
    let part = values[range.lowerBound * hidden..<range.upperBound * hidden]
    return HiddenStates(unchecked: range.count, hidden: hidden, values: Array(part))
  }

  /// For values that were made to measure.
  init(unchecked tokens: Int, hidden: Int, values: [Float]) {
    self.tokens = tokens
    self.hidden = hidden
    self.values = values
  }
}

/// The scores of every vocabulary entry at each position, before any softmax.
public struct Logits: Sendable, Hashable {
  /// Rows, one for each token.
  public let tokens: Int
  /// Scores of a row.
  public let vocabularySize: Int
  /// Row-major [tokens, vocabularySize].
  public let values: [Float]

  init(tokens: Int, vocabularySize: Int, values: [Float]) {
    precondition(values.count == tokens * vocabularySize)
    self.tokens = tokens
    self.vocabularySize = vocabularySize
    self.values = values
  }

  /// The scores at one position.
  public func row(_ token: Int) -> ArraySlice<Float> {
    values[token * vocabularySize..<(token + 1) * vocabularySize]
  }

  /// The scores at the last position.
  public var last: ArraySlice<Float> { row(tokens - 1) }
}

/// A tensor whose shape does not fit its use.
public struct ShapeError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The name of the value with the wrong shape.
  public let what: String
  /// The expected value.
  public let expected: String
  /// The actual value.
  public let found: String

  /// One line that says what is wrong.
  public var description: String { "\(what): expected \(expected), found \(found)" }
}
