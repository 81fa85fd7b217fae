import AsyncPrimitives
import EthereumClient
import EthereumPrimitives
import Logging
import PlumiseWire

/// From a transaction that was sent to one that is in a block.
extension ChainAgent {
  /// Waits for the receipt, and sends the transaction again while it is stuck.
  /// - Throws: `ChainError` of code `timedOut` after the configuration's `receiptTimeout`.
  func confirm(_ pending: PendingTransaction) async throws -> Receipt {
    // The usual case: with a block for each transaction it is there already.
    var tracker = ReceiptTracker(configuration)
    if case .done(let receipt) = try await poll(for: pending, &tracker) { return receipt }
    let timeout = configuration.receiptTimeout
    return try await withDeadline(
      timeout, on: client.clock,
      orThrow: ChainError.timedOut(
        waitingFor: "receipt of \(pending.latest.hash.hex)", after: timeout)
    ) { [tracker] in try await self.pollUntilMined(for: pending, tracker) }
  }

  private func pollUntilMined(
    for first: PendingTransaction, _ tracker: ReceiptTracker
  ) async throws -> Receipt {
    var (pending, tracker) = (first, tracker)
    while true {
      try await client.clock.sleep(for: configuration.pollInterval)
      tracker.pollIntervalElapsed()
      switch try await poll(for: pending, &tracker) {
      case .done(let receipt): return receipt
      case .wait: break
      case .resend: try await resend(&pending)
      }
    }
  }

  /// Polls once; an outage or a refusal does not end the wait: the transaction was sent, and the
  /// next poll may be answered.
  private func poll(
    for pending: PendingTransaction, _ tracker: inout ReceiptTracker
  ) async throws -> ReceiptTracker.Step {
    do {
      // The height first: of a receipt that is given later, the block is still on the chain. The other
      // way round the chain may replace the block in between, and grow beyond what is waited for.
      let height = tracker.needsHeight ? try await client.blockNumber() : 0
      let receipt = try await client.receipt(ofAny: pending.hashes)
      return tracker.observe(receipt, height: height)
    } catch let error as ChainError where error.allowsAnotherPoll {
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
      guard try await client.hasTransaction(latest.hash) else {
        logger.info("sent again", metadata: ["hash": "\(latest.hash)"])
        try await client.sendEnsuringArrival(latest)
        return
      }
      let raised = latest.transaction.fee.raised(
        byPercent: configuration.feeBumpPercent, floor: try await client.fee(configuration.fees),
        ceiling: configuration.feeCeiling)
      guard let raised else { return }
      let version = sign(pending.request, nonce: latest.transaction.nonce, fee: raised)
      try await client.sendEnsuringArrival(version)
      pending.wasReplaced(by: version)
      logger.info("sent with higher fees", metadata: ["hash": "\(version.hash)"])
    } catch let error as ChainError {
      logger.notice("a stuck transaction was not sent again", metadata: ["error": "\(error)"])
    }
  }
}

extension ChainError {
  /// Whether the next poll may be answered.
  fileprivate var allowsAnotherPoll: Bool { isOutage || code == .timedOut || code == .refused }
}

/// Decides, poll by poll, whether a transaction is confirmed, still pending or stuck.
///
/// A pure state machine: elapsed time and receipts are its inputs.
struct ReceiptTracker {
  enum Step: Hashable {
    /// Poll again after an interval.
    case wait
    /// The transaction seems stuck: send it again, or with higher fees.
    case resend
    /// It is in a block that enough others follow.
    case done(Receipt)
  }

  private let pollInterval: Duration
  private let stuckAfter: Duration
  private let confirmations: UInt64
  private var unseen: Duration = .zero

  init(_ configuration: ChainAgentConfiguration) {
    pollInterval = configuration.pollInterval
    stuckAfter = configuration.stuckAfter
    confirmations = configuration.confirmations
  }

  /// Whether the chain's height is needed besides the receipt.
  var needsHeight: Bool { confirmations > 0 }

  /// Processes the result of a poll.
  /// - Parameters:
  ///   - receipt: nil while the transaction is in no block.
  ///   - height: of the latest block, when ``needsHeight``.
  mutating func observe(_ receipt: Receipt?, height: UInt64) -> Step {
    if let receipt {
      unseen = .zero
      let (needed, overflow) = receipt.blockNumber.addingReportingOverflow(confirmations)
      return confirmations == 0 || (!overflow && height >= needed) ? .done(receipt) : .wait
    }
    guard unseen >= stuckAfter else { return .wait }
    unseen = .zero
    return .resend
  }

  /// Adds the time of one interval.
  mutating func pollIntervalElapsed() { unseen += pollInterval }
}

/// A transaction without nonce and fees.
struct TransactionRequest: Sendable {
  let to: Address
  let value: Word
  let data: [UInt8]
  let gasLimit: UInt64
}

/// A transaction that was sent and may have been replaced: every version has the same nonce, so
/// that only one of them can be mined.
struct PendingTransaction: Sendable {
  let request: TransactionRequest
  /// The versions, the latest last; never empty.
  private(set) var versions: [SignedTransaction]

  init(_ request: TransactionRequest, _ first: SignedTransaction) {
    self.request = request
    versions = [first]
  }

  var latest: SignedTransaction { versions[versions.count - 1] }
  var hashes: [Hash32] { versions.map(\.hash) }

  mutating func wasReplaced(by version: SignedTransaction) { versions.append(version) }
}

/// Chooses the next nonce: counted here, and compared with the chain's transaction count.
///
/// A nonce is used up only when the chain has taken the transaction, so that a refusal leaves no
/// gap. When it is not known whether the chain took one, the chain alone decides. A chain that counts
/// less than it once had in blocks was reset or has gone back, and decides as well: to count on would
/// leave a gap that no transaction gets past.
package struct NonceTracker {
  private var next: UInt64?
  /// How many transactions of the account were seen in blocks.
  package private(set) var minedCount: UInt64 = 0
  /// Counts how often the count was given up: what was begun before counts on from nothing.
  package private(set) var generation = 0

  package init() {}

  /// The nonce that was counted to, if any.
  package var known: UInt64? { next }

  /// The nonce to use.
  /// - Parameters:
  ///   - count: What the chain counts, with what waits there.
  ///   - minedCount: ``minedCount`` before the request to the chain; a block may be newer.
  package mutating func choose(chainCount count: UInt64, minedBefore minedCount: UInt64) -> UInt64 {
    if count < minedCount {
      next = nil
      self.minedCount = count
    }
    // A chain behind a load balancer may not count the latest ones yet.
    return max(next ?? count, count)
  }

  /// Notes what the chain said, or what was chosen from it.
  package mutating func synchronise(with count: UInt64) { next = count }

  /// Notes that the chain took a transaction.
  /// - Parameter begun: the generation in which its sending began; a count that was given up
  ///   since stays given up.
  package mutating func wasUsed(_ nonce: UInt64, begun: Int) {
    if begun == generation { next = nonce.successor }
  }

  /// Notes that a transaction is in a block.
  package mutating func wasMined(_ nonce: UInt64) {
    minedCount = max(minedCount, nonce.successor ?? minedCount)
  }

  /// Notes that the chain has to decide.
  package mutating func forget() {
    next = nil
    generation += 1
  }
}

extension UInt64 {
  /// The next nonce; nil after the last one that a chain accepts (EIP-2681).
  fileprivate var successor: UInt64? { self == .max ? nil : self + 1 }
}
