import AsyncPrimitives
public import EthereumPrimitives
import PlumiseWire

/// Sending transactions.
extension EthereumClient {
  /// Sends a signed transaction.
  /// - Returns: its hash.
  /// - Throws: a ``ChainError`` of code ``ChainError/Code/refused``, in the chain's words.
  @discardableResult
  public func send(_ transaction: SignedTransaction) async throws -> Hash32 {
    try await sendRawTransaction(transaction.raw)
  }

  /// Sends the bytes of a signed transaction.
  /// - Returns: its hash.
  @discardableResult
  public func sendRawTransaction(_ raw: [UInt8]) async throws -> Hash32 {
    try await ask("eth_sendRawTransaction", [.string(Hex.encode(raw))]) { try $0.hash() }
  }

  /// Whether the chain has the transaction, in a block or waiting for one.
  public func hasTransaction(_ transaction: Hash32) async throws -> Bool {
    try await !request("eth_getTransactionByHash", [.string(transaction.hex)]).isNull
  }

  /// The receipt of a transaction; nil while it is in no block.
  public func receipt(of transaction: Hash32) async throws -> Receipt? {
    try await ask("eth_getTransactionReceipt", [.string(transaction.hex)]) { answer in
      try answer.optional { try Receipt($0) }
    }
  }

  /// The receipt of the one of several transactions that is in a block; all of them have the same
  /// nonce, so that at most one is.
  public func receipt(ofAny transactions: [Hash32]) async throws -> Receipt? {
    let method = "eth_getTransactionReceipt"
    let outcomes = try await batch(transactions.map { (method, [.string($0.hex)]) })
    for outcome in outcomes {
      let answer = AnswerReader(try outcome.get(), method: method)
      if let receipt = try answer.optional({ try Receipt($0) }) { return receipt }
    }
    return nil
  }

  /// Waits until a transaction is in a block; the first poll is immediate.
  /// - Parameters:
  ///   - transaction: its hash.
  ///   - timeout: how long to wait, on the client's clock.
  ///   - pollInterval: the pause between two looks.
  /// - Throws: a ``ChainError`` of code ``ChainError/Code/timedOut``. An outage, or one look that is not
  ///   answered, does not end the wait: the next look may find the chain again.
  public func waitForReceipt(
    of transaction: Hash32, timeout: Duration = .seconds(120),
    pollInterval: Duration = .milliseconds(500)
  ) async throws -> Receipt {
    if let receipt = try await receiptUnlessOutage(transaction) { return receipt }
    return try await withDeadline(
      timeout, on: clock,
      orThrow: ChainError.timedOut(
        waitingFor: "receipt of \(transaction.hex)", after: timeout)
    ) {
      while true {
        try await clock.sleep(for: pollInterval)
        if let receipt = try await receiptUnlessOutage(transaction) { return receipt }
      }
    }
  }

  private func receiptUnlessOutage(_ transaction: Hash32) async throws -> Receipt? {
    do {
      return try await receipt(of: transaction)
    } catch let error as ChainError where error.isOutage || error.code == .timedOut {
      return nil
    }
  }
}

/// The result of a transaction in a block.
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
  /// The sender.
  public let from: Address
  /// The recipient; nil for the creation of a contract.
  public let to: Address?
  /// Whether the call succeeded (status 1).
  ///
  /// False (status 0) means it was reverted or ran out of gas.
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
    blockNumber = try answer["blockNumber"].blockNumber()
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
