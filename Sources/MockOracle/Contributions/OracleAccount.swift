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
  /// - Parameter chainID: the chain that it is for; nil for the one that is there.
  func sign(
    _ data: [UInt8], to recipient: Address, gasLimit: UInt64, chainID: UInt64? = nil
  ) async throws -> SignedTransaction {
    let nonce = try await client.transactionCount(of: address, at: .pending)
    let (price, overflows) = try await client.gasPrice().multipliedReportingOverflow(by: 2)
    let chain = if let chainID { chainID } else { try await client.chainID() }
    let transaction = Transaction(
      chainID: chain, nonce: nonce,
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

  /// Signs and sends a call, for the chain that the deployed oracle is bound to.
  /// - Parameter gasLimit: nil for what the chain estimates: a call that would be reverted is not sent.
  /// - Returns: the transaction's hash.
  func send(
    _ data: [UInt8], to recipient: Address, gasLimit: UInt64? = nil
  ) async throws -> Hash32 {
    try await inTurn {
      let limit =
        if let gasLimit { gasLimit } else {
          try await client.estimateGas(to: recipient, data: data, from: address)
        }
      let signed = try await sign(
        data, to: recipient, gasLimit: limit, chainID: PlumiseNetwork.chainID)
      return try await client.send(signed)
    }
  }

  /// Registers an agent that cannot pay for it itself (0x21 with a beneficiary).
  /// - Parameters:
  ///   - agent: the beneficiary.
  ///   - name: the name that it gets.
  ///   - modelHash: keccak256 of its model's name, or zeros.
  ///   - gasLimit: nil for what the chain estimates.
  /// - Throws: ``OracleAccountError``, or why the chain could not be asked.
  func register(
    _ agent: Address, name: String, modelHash: Hash32 = .zero, gasLimit: UInt64? = nil
  ) async throws {
    let call = PrecompileCall.registration(
      AgentRegistration(name: name, modelHash: modelHash, beneficiary: agent))
    let hash = try await send(call.input, to: call.contract.address, gasLimit: gasLimit)
    let receipt = try await client.waitForReceipt(of: hash, timeout: .seconds(30))
    guard receipt.succeeded else { throw OracleAccountError.reverted(hash) }
  }
}

/// Why the oracle's account could not do what it was to do.
public enum OracleAccountError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The transaction that was to register an agent did not go through.
  case reverted(Hash32)

  /// One line, in the deployed oracle's words.
  public var description: String {
    switch self {
    case .reverted(let hash): "Sponsor registration tx reverted: \(hash.hex)"
    }
  }
}
