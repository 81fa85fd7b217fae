/// Why a generation ended.
public enum FinishReason: String, Hashable, Sendable {
  /// It made as many tokens as were asked for.
  case length
  /// The model ended the text.
  case endOfSequence = "eos"
}

/// A new token.
public struct GeneratedToken: Hashable, Sendable {
  /// Its id.
  public let id: Int32
  /// 0 for the first one.
  public let index: Int
  /// Time since the generation began.
  public let elapsed: Duration
}

/// What came of a generation.
public struct GenerationResult: Hashable, Sendable {
  /// The prompt.
  public let promptIDs: [Int32]
  /// The new tokens, without the end-of-sequence token.
  public let generatedIDs: [Int32]
  /// The new tokens as text; nil without a tokenizer.
  public let text: String?
  /// From the beginning to the first new token; nil if there was none.
  public let timeToFirstToken: Duration?
  /// From the beginning to the last new token.
  public let duration: Duration
  /// The nodes it went through.
  public let route: Route
  /// Why it ended.
  public let finishReason: FinishReason
  /// The end-of-sequence token that ended it; nil when none did.
  public let endID: Int32?

  /// New tokens in a second, the first one's wait aside when there are more.
  public var tokensPerSecond: Double {
    guard let first = timeToFirstToken, generatedIDs.count > 0 else { return 0 }
    let (tokens, time) =
      generatedIDs.count > 1 ? (generatedIDs.count - 1, duration - first) : (1, duration)
    let seconds = time / .seconds(1)
    return seconds > 0 ? Double(tokens) / seconds : 0
  }
}
