import AsyncPrimitives
public import EthereumClient
public import EthereumPrimitives
import PlumiseWire

/// The oracle's own account on the chain: what it reports contributions with.
///
/// Its transactions are made and delivered one after another, so that each gets the next nonce.
public final class OracleAccount: Sendable {
  /// The account, which the reward pool must know as its oracle.
  public let address: Address
  let client: EthereumClient
  private let key: SecretKey
  private let turns = AsyncLock()

  /// An account of a key, on the chain that a client reaches.
  public init(key: SecretKey, client: EthereumClient) {
    self.key = key
    self.client = client
    address = key.address
  }

  /// Runs something that sends with the account, when all that came before are done.
  func inTurn<R: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ work: () async throws -> R
  ) async throws -> R {
    try await turns.withLock(isolation: isolation, work)
  }

  /// Signs a call with the next nonce and twice the price that the chain suggests, since the base
  /// fee may rise before the transaction's block.
  func sign(
    _ data: [UInt8], to recipient: Address, gasLimit: UInt64
  ) async throws -> SignedTransaction {
    let nonce = try await client.transactionCount(of: address, at: .pending)
    let (price, overflows) = try await client.gasPrice().multipliedReportingOverflow(by: 2)
    let transaction = Transaction(
      chainID: try await client.chainID(), nonce: nonce,
      fee: .legacy(gasPrice: overflows ? .max : price), gasLimit: gasLimit, to: recipient,
      data: data)
    return transaction.signed(with: key)
  }

  /// Sends a transaction that may have been sent before, and waits for its receipt.
  /// - Returns: nil when another transaction took its nonce, or the chain has forgotten those before
  ///   it, after a reset or a restart without its state: it can never go through.
  func deliver(_ raw: [UInt8], hash: Hash32) async throws -> Receipt? {
    if let receipt = try await client.receipt(of: hash) { return receipt }
    let nonce = try SignedTransaction(raw: raw).transaction.nonce
    if try await client.transactionCount(of: address, at: .pending) < nonce,
      try await !client.hasTransaction(hash)
    {
      return nil
    }
    do {
      try await client.sendRawTransaction(raw)
    } catch let error as ChainError where error.failure?.message == "already known" {
      // An earlier answer was lost on the way.
    } catch let error as ChainError
      where error.failure?.message.hasPrefix("nonce too low") == true
    {
      return try await client.receipt(of: hash)
    }
    return try await client.waitForReceipt(of: hash)
  }

  /// Registers an agent that cannot pay for it itself (0x21 with a beneficiary).
  /// - Throws: ``OracleAccountError``, or why the chain could not be asked.
  func register(_ agent: Address, model: String) async throws {
    let call = PrecompileCall.registration(
      AgentRegistration(
        name: AgentRegistration.defaultName(model: model, agent: agent),
        modelHash: Keccak256.hash(model), beneficiary: agent))
    let receipt = try await inTurn {
      let signed = try await sign(
        call.input, to: call.contract.address, gasLimit: call.gasLimit)
      return try await deliver(signed.raw, hash: signed.hash)
    }
    guard let receipt else { throw OracleAccountError.replaced(agent) }
    guard receipt.succeeded else {
      throw OracleAccountError.reverted(
        agent,
        reason: try await client.revertReason(
          of: receipt, data: call.input, gasLimit: call.gasLimit))
    }
  }
}

/// Why the oracle's account could not do what it was to do.
public enum OracleAccountError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The transaction for the agent did not go through; the reason is the program's own, nil where
  /// the chain does not tell.
  case reverted(Address, reason: String?)
  /// Another transaction of the account took the nonce of that for the agent.
  case replaced(Address)

  /// One line: what happened.
  public var description: String {
    switch self {
    case .reverted(let agent, let reason):
      "the transaction for \(agent) was reverted: \(reason ?? "the chain tells no reason")"
    case .replaced(let agent):
      "another transaction took the nonce of that for \(agent): register it again"
    }
  }
}
