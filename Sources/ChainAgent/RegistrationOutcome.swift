public import EthereumClient

/// What a registration came to.
public enum RegistrationOutcome: Hashable, Sendable {
  /// The transaction is in a block.
  case registered(Receipt)
  /// The chain knew the agent already; nothing was sent, or what was sent before had arrived.
  case alreadyRegistered
}
