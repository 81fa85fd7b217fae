public import EthereumPrimitives

/// What became of a transaction that is in a block.
public struct Receipt: Hashable, Sendable {
  /// An event that a program emitted.
  public struct Log: Hashable, Sendable {
    /// The program.
    public let address: Address
    /// The event's signature hash, then its indexed arguments.
    public let topics: [Hash32]
    /// The other arguments, ABI-encoded.
    public let data: [UInt8]
  }

  /// The transaction.
  public let transactionHash: Hash32
  /// Its place in the block.
  public let transactionIndex: UInt64
  /// The block.
  public let blockHash: Hash32
  /// The block's height.
  public let blockNumber: UInt64
  /// Who sent it.
  public let from: Address
  /// Whom it called; nil when it created a contract.
  public let to: Address?
  /// Status 1: the call went through.
  ///
  /// Status 0 means it was reverted or ran out of gas.
  public let succeeded: Bool
  /// Gas that the transaction used.
  public let gasUsed: UInt64
  /// Gas that the block used up to and including the transaction.
  public let cumulativeGasUsed: UInt64
  /// Wei a unit of gas.
  public let effectiveGasPrice: Word
  /// The events.
  public let logs: [Log]

  init(_ answer: AnswerReader) throws {
    transactionHash = try answer["transactionHash"].hash()
    transactionIndex = try answer["transactionIndex"].uint64()
    blockHash = try answer["blockHash"].hash()
    blockNumber = try answer["blockNumber"].uint64()
    from = try answer["from"].address()
    to = try answer["to"].optional { try $0.address() }
    succeeded = try answer["status"].uint64() == 1
    gasUsed = try answer["gasUsed"].uint64()
    cumulativeGasUsed = try answer["cumulativeGasUsed"].uint64()
    effectiveGasPrice = try answer["effectiveGasPrice"].word()
    logs = try answer["logs"].array { log in
      Log(
        address: try log["address"].address(), topics: try log["topics"].array { try $0.hash() },
        data: try log["data"].bytes())
    }
  }
}
