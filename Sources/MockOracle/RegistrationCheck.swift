public import EthereumClient
public import EthereumPrimitives

/// How the oracle learns whether an agent is registered on chain.
public struct RegistrationCheck: Sendable {
  private let ask: @Sendable (Address) async throws -> Bool

  /// Makes a check that is a function.
  /// - Parameter ask: whether an agent is registered; throws when that cannot be found out.
  public init(_ ask: @escaping @Sendable (Address) async throws -> Bool) {
    self.ask = ask
  }

  /// Every agent counts as registered: what an oracle does that was told of no chain.
  public static let everyone = RegistrationCheck { _ in true }

  /// Asks a chain: whoever it knows as registered counts, active or not.
  public static func chain(_ client: EthereumClient) -> RegistrationCheck {
    RegistrationCheck { try await client.agentStatus(of: $0).isRegistered }
  }

  /// Whether an agent is registered.
  /// - Throws: whatever the check throws when it cannot find out.
  public func isRegistered(_ agent: Address) async throws -> Bool { try await ask(agent) }
}
