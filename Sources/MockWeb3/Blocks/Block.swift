public import EthereumPrimitives

/// A transaction whose sender was recovered.
public struct SentTransaction: Hashable, Sendable {
  /// The transaction as it came.
  public let signed: SignedTransaction
  /// Who signed it.
  public let sender: Address

  /// Its hash.
  public var hash: Hash32 { signed.hash }
  /// What was signed.
  public var transaction: Transaction { signed.transaction }
}

/// A block: immutable once made, so that all who hold one share it.
public final class Block: Sendable {
  /// What the hash commits to.
  public let header: BlockHeader
  /// keccak256 of the header's RLP.
  public let hash: Hash32
  /// The transactions in the order of their execution.
  public let transactions: [SentTransaction]
  /// One receipt for each transaction.
  public let receipts: [TransactionReceipt]
  /// The reverts that faults forced, by the transaction's position.
  let forcedReverts: [Int: Revert]
  /// The bytes of the whole block's RLP.
  public let size: Int
  /// The sum of all difficulties up to and including this block.
  let totalDifficulty: UInt64

  /// The block's height.
  public var number: UInt64 { header.number }

  init(
    header: BlockHeader, transactions: [SentTransaction], receipts: [TransactionReceipt],
    forcedReverts: [Int: Revert] = [:], parentDifficulty: UInt64
  ) {
    let encodedHeader = header.encoded
    self.header = header
    hash = Keccak256.hash(encodedHeader)
    self.transactions = transactions
    self.receipts = receipts
    self.forcedReverts = forcedReverts
    totalDifficulty = parentDifficulty + header.difficulty
    size = Self.size(header: encodedHeader.count, transactions)
  }

  /// The revert that a fault forced on a transaction with this call; nil when there is none.
  ///
  /// Whoever asks on this block why a transaction was reverted is told what the fault said.
  func forcedRevert(of call: TracelessCall) -> Revert? {
    let index = forcedReverts.keys.sorted().first { index in
      let sent = transactions[index]
      return sent.sender == call.from && sent.transaction.to == call.to
        && sent.transaction.value == call.value && sent.transaction.data == call.input
    }
    return index.flatMap { forcedReverts[$0] }
  }

  /// The length of the whole block's RLP: header, transactions and no uncles.
  private static func size(header: Int, _ transactions: [SentTransaction]) -> Int {
    let body = transactions.reduce(0) { sum, transaction in
      // A typed transaction is a byte string inside a block, a legacy one the list it is.
      let raw = transaction.signed.raw
      return sum + (raw[0] < 0xc0 ? RLPLength.ofString(raw) : raw.count)
    }
    return RLPLength.ofList(payload: header + RLPLength.ofList(payload: body) + 1)
  }
}
