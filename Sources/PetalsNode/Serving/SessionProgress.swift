/// Where a session stands: the rules of positions, apart from any cache.
struct SessionProgress: Sendable {
  /// Most tokens that the cache may hold.
  let maximumLength: Int
  /// Tokens in the cache.
  private(set) var position = 0
  /// Tokens that went through the blocks, those rolled back included.
  private(set) var processedTokens = 0

  /// A session that has seen nothing.
  init(maximumLength: Int) { self.maximumLength = maximumLength }

  /// Admits a step.
  ///
  /// - Parameters:
  ///   - tokens: Rows of the step.
  ///   - start: Where the cache is rolled back to first; nil goes on at its end.
  /// - Returns: The position of the step's first token.
  /// - Throws: ``NodeError/Code/outOfRange``; nothing has changed then.
  mutating func advance(by tokens: Int, from start: Int? = nil) throws(NodeError) -> Int {
    let start = start ?? position
    guard (0...position).contains(start) else {
      throw NodeError(
        .outOfRange,
        "cannot start from position \(start): the cache holds \(position) tokens")
    }
    guard tokens <= maximumLength - start else {
      throw NodeError(
        .outOfRange,
        "\(tokens) tokens at position \(start) go beyond the session's maximum of "
          + "\(maximumLength)")
    }
    position = start + tokens
    processedTokens += tokens
    return start
  }

  /// Checks a summary against what went through.
  ///
  /// Each generated token, the last one aside, passed through the blocks, and so did a prompt of
  /// at least one token: no session can have made more than it processed.
  /// - Throws: ``NodeError/Code/invalidArgument``.
  func check(_ summary: SessionSummary) throws(NodeError) {
    guard summary.generatedTokens <= processedTokens else {
      throw NodeError(
        .invalidArgument,
        "the summary claims \(summary.generatedTokens) generated tokens, but only "
          + "\(processedTokens) went through this node")
    }
  }
}
