public import Bloom

/// What a node answers to one step of a session.
public struct StepAnswer: Hashable, Sendable {
  /// The hidden states after the last block of the session, `[tokens, hidden]`.
  public let hidden: HiddenStates
  /// Tokens in the cache after the step.
  public let position: Int
  /// What the step took on the node; the rest of the client's time is the way there and back.
  public let computeTime: Duration

  /// An answer by its parts.
  public init(hidden: HiddenStates, position: Int, computeTime: Duration) {
    self.hidden = hidden
    self.position = position
    self.computeTime = computeTime
  }
}
