import EthereumClient
import EthereumPrimitives
import MockWeb3

/// What this command asks a chain and sends to it.
struct ChainAccess: Sendable {
  private static let plm: Word = 1_000_000_000_000_000_000

  private let client: EthereumClient

  init(url: String) {
    client = EthereumClient(url: url)
  }

  /// The chain's id.
  func chainID() async throws -> UInt64 { try await client.chainID() }

  /// Sends 100 PLM to each account, from the first of the well-known ones.
  func fund(_ accounts: [Address]) async throws {
    let source = DevelopmentAccount.standard[0]
    let first = try await client.transactionCount(of: source.address)
    let chainID = try await client.chainID()
    let price = try await client.gasPrice()
    for (index, account) in accounts.enumerated() {
      let (nonce, overflows) = first.addingReportingOverflow(UInt64(index))
      guard !overflows else {
        throw CommandFailure.failed("the chain counts \(first) transactions of \(source.address)")
      }
      let transaction = Transaction(
        chainID: chainID, nonce: nonce, fee: .legacy(gasPrice: price),
        gasLimit: 21_000, to: account, value: 100 * Self.plm)
      let hash = try await client.send(transaction.signed(with: source.key))
      try await requireSuccess(client.waitForReceipt(of: hash), hash)
    }
  }

  /// What the chain knows of an agent.
  func status(of agent: Address) async throws -> AgentStatusReport {
    try await client.agentStatus(of: agent)
  }

  /// - Throws: unless the transaction is in a block, went from the sender to the callee, and
  ///   succeeded.
  func requireSuccess(
    _ transaction: String, from sender: Address, to callee: Address
  ) async throws {
    let hash = try Hash32(transaction)
    guard let receipt = try await client.receipt(of: hash) else {
      throw CommandFailure.failed("transaction \(transaction) is in no block")
    }
    try await requireSuccess(receipt, hash)
    guard receipt.from == sender else {
      throw CommandFailure.failed("transaction \(transaction) came from \(receipt.from)")
    }
    guard receipt.to == callee else {
      throw CommandFailure.failed("transaction \(transaction) did not go to \(callee)")
    }
  }

  private func requireSuccess(_ receipt: Receipt, _ hash: Hash32) async throws {
    guard receipt.succeeded else {
      let reason = try await client.revertReason(of: receipt) ?? "the chain tells no reason"
      throw CommandFailure.failed("transaction \(hash.hex) was reverted: \(reason)")
    }
  }
}
