public import EthereumClient
public import EthereumPrimitives
public import PlumiseWire

/// What an agent's service did on the chain, or met there.
public enum AgentEvent: Sendable {
  /// The agent is registered: for the first time, or anew.
  case registered(RegistrationOutcome)
  /// The chain does not know the agent any more; it is registered anew.
  case forgotten
  /// A heartbeat is in a block.
  case heartbeat(Receipt)
  /// An inference was proved.
  case verified(InferenceProof, Receipt)
  /// What the reward pool owed was claimed.
  case claimed(Receipt)
  /// Something failed, and the service goes on.
  case trouble(AgentTrouble)
}

/// Something that an agent's service did not get done, and when it tries again.
public struct AgentTrouble: Error, Sendable, CustomStringConvertible {
  /// What was to be done.
  public enum Work: Sendable, Hashable {
    /// The agent was to be registered.
    case registration
    /// A heartbeat was to be sent.
    case heartbeat
    /// An inference was to be proved; it is not tried again: the oracle gets the proof all the same.
    case proof(Hash32)
    /// A reward was to be claimed.
    case claim
    /// The chain was to be asked whether it still knows the agent.
    case status
  }

  /// What was to be done.
  public let work: Work
  /// The agent.
  public let agent: Address
  /// Why it was not done.
  public let error: any Error
  /// How often in a row the same work has failed, this time included.
  public let failures: Int
  /// After what time it is tried again; nil when it is not.
  public let pause: Duration?

  /// One line: what failed, why, and what happens next.
  public var description: String {
    var text =
      switch work {
      case .registration: "the registration failed"
      case .heartbeat: "the heartbeat failed"
      case .proof(let hash): "proof \(hash.hex) was not verified"
      case .claim: "the claim failed"
      case .status: "the agent's status is not known"
      }
    if failures > 1 { text += " (\(failures) times in a row)" }
    text += ": \(error)"
    if needsCoins { text += "; send coins to \(agent.checksummed)" }
    if let pause { text += "; the next attempt is in \(pause)" }
    return text
  }

  /// Whether the account cannot pay for the transaction.
  public var needsCoins: Bool {
    guard case EthereumClientError.refused(_, let failure) = error else { return false }
    return failure.message.hasPrefix("insufficient funds")
  }
}
