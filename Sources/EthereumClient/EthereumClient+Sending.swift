public import EthereumPrimitives
import PlumiseWire

/// Sending transactions.
extension EthereumClient {
  /// Sends a signed transaction.
  /// - Returns: its hash.
  /// - Throws: ``EthereumClientError/refused(method:_:)`` in the chain's words.
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
  public func knows(_ transaction: Hash32) async throws -> Bool {
    try await !request("eth_getTransactionByHash", [.string(transaction.hex)]).isNull
  }

  /// The receipt of a transaction; nil while it is in no block.
  public func receipt(of transaction: Hash32) async throws -> Receipt? {
    try await ask("eth_getTransactionReceipt", [.string(transaction.hex)]) { answer in
      try answer.optional { try Receipt($0) }
    }
  }

  /// The receipt of whichever of several transactions is in a block: all of them have the same
  /// nonce, so that only one can be.
  public func receipt(ofAny transactions: [Hash32]) async throws -> Receipt? {
    let method = "eth_getTransactionReceipt"
    let outcomes = try await batch(transactions.map { (method, [.string($0.hex)]) })
    for outcome in outcomes {
      let answer = AnswerReader(try outcome.get(), method: method)
      if let receipt = try answer.optional({ try Receipt($0) }) { return receipt }
    }
    return nil
  }

  /// Waits until a transaction is in a block; the first look is at once.
  /// - Parameters:
  ///   - transaction: its hash.
  ///   - timeout: how long to wait, on the client's clock.
  ///   - pollInterval: the pause between two looks.
  /// - Throws: ``EthereumClientError/timedOut(waitingFor:after:)``. An outage, or one look that is
  ///   not answered, does not end the wait: the next look may find the chain again.
  public func waitForReceipt(
    of transaction: Hash32, timeout: Duration = .seconds(120),
    pollInterval: Duration = .milliseconds(500)
  ) async throws -> Receipt {
    if let receipt = try await receiptUnlessOutage(transaction) { return receipt }
    return try await withDeadline(
      timeout, on: clock, waitingFor: "receipt of \(transaction.hex)"
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
    } catch EthereumClientError.outage, EthereumClientError.timedOut {
      return nil
    }
  }
}
