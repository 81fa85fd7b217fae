import EthereumClient
import EthereumPrimitives
import Logging
import PlumiseWire

/// From a transaction that was sent to one that is in a block.
extension ChainAgent {
  /// Waits for the receipt, and sends the transaction again while it is stuck.
  /// - Throws: `EthereumClientError.timedOut` when the configuration's patience is over.
  func settle(_ pending: PendingTransaction) async throws -> Receipt {
    // The usual case: with a block for each transaction it is there already.
    var watch = ReceiptWatch(configuration)
    if case .done(let receipt) = try await look(for: pending, &watch) { return receipt }
    let clock = client.clock
    let patience = configuration.receiptTimeout
    return try await withThrowingTaskGroup(of: Receipt.self) { group in
      group.addTask { [watch] in try await self.keepLooking(for: pending, watch) }
      group.addTask {
        try await clock.sleep(for: patience)
        throw EthereumClientError.timedOut(
          waitingFor: "receipt of \(pending.latest.hash.hex)", after: patience)
      }
      defer { group.cancelAll() }
      guard let receipt = try await group.next() else {
        preconditionFailure("a group of two tasks has a first one")
      }
      return receipt
    }
  }

  private func keepLooking(
    for first: PendingTransaction, _ watch: ReceiptWatch
  ) async throws -> Receipt {
    var (pending, watch) = (first, watch)
    while true {
      try await client.clock.sleep(for: configuration.pollInterval)
      watch.waited()
      switch try await look(for: pending, &watch) {
      case .done(let receipt): return receipt
      case .wait: break
      case .resend: try await resend(&pending)
      }
    }
  }

  /// One look; an outage or a refusal does not end the wait: the transaction was sent, and the next
  /// look may be answered.
  private func look(
    for pending: PendingTransaction, _ watch: inout ReceiptWatch
  ) async throws -> ReceiptWatch.Step {
    do {
      let receipt = try await client.receipt(ofAny: pending.hashes)
      let height =
        receipt != nil && watch.needsHeight ? try await client.blockNumber() : 0
      return watch.saw(receipt, height: height)
    } catch let error as EthereumClientError where error.isPassing {
      logger.debug("no answer about a receipt", metadata: ["error": "\(error)"])
      return .wait
    }
  }

  /// Sends a transaction again that the chain has lost, or with higher fees one that waits.
  ///
  /// What the chain says against it is no reason to stop waiting: an earlier version may be mined.
  private func resend(_ pending: inout PendingTransaction) async throws {
    let latest = pending.latest
    do {
      guard try await client.knows(latest.hash) else {
        logger.info("sent again", metadata: ["hash": "\(latest.hash)"])
        try await client.sendSurely(latest)
        return
      }
      let raised = latest.transaction.fee.raised(
        byPercent: configuration.feeBumpPercent, floor: try await client.fee(configuration.fees),
        ceiling: configuration.feeCeiling)
      guard let raised else { return }
      let version = sign(pending.draft, nonce: latest.transaction.nonce, fee: raised)
      try await client.sendSurely(version)
      pending.wasReplaced(by: version)
      logger.info("sent with higher fees", metadata: ["hash": "\(version.hash)"])
    } catch let error as EthereumClientError {
      logger.notice("a stuck transaction was not sent again", metadata: ["error": "\(error)"])
    }
  }
}

extension EthereumClientError {
  /// Whether the next look may be answered.
  fileprivate var isPassing: Bool {
    switch self {
    case .outage, .timedOut, .refused: true
    case .reverted, .malformedAnswer: false
    }
  }
}
