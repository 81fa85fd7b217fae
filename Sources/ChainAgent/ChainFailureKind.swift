import EthereumClient

/// What kind of failure an agent met, which decides what its owner can do.
public enum ChainFailureKind: String, Hashable, Sendable, CaseIterable {
  /// The chain could not be reached: it may be down, or the way to it. Try again later.
  case outage
  /// The chain said no before anything was mined: the fees, the coins or the nonce are wrong.
  case refusal
  /// The transaction is in a block, or would be, and its call did not go through. The same call
  /// will not go through either until something else changes.
  case revert
  /// Nothing came in time: what was sent may still be mined. Look before sending again.
  case timeOut
  /// The other end is not the chain that was meant, or does not speak as one.
  case misconfiguration
  /// The task was cancelled.
  case cancellation

  /// The kind of an error; nil for one that is not about the chain.
  public init?(_ error: any Error) {
    switch error {
    case let error as ChainAgentError:
      switch error {
      case .wrongChain: self = .misconfiguration
      case .reverted: self = .revert
      }
    case let error as EthereumClientError:
      switch error {
      case .outage: self = .outage
      case .refused: self = .refusal
      case .reverted: self = .revert
      case .timedOut: self = .timeOut
      case .malformedAnswer: self = .misconfiguration
      }
    case is CancellationError: self = .cancellation
    default: return nil
    }
  }
}
