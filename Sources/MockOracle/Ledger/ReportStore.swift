import AsyncPrimitives
import EthereumPrimitives
import PlumiseWire
import Synchronization

/// The ledger behind its lock, with the log that makes it durable.
final class ReportStore: Sendable {
  private let ledger: Mutex<Ledger>
  private let log: (any ReportLog)?
  private let isFaithful: Bool
  private let turns = KeyedAsyncLock<Address>()

  /// A report that was accepted.
  struct Acceptance: Sendable {
    /// The report, with the epoch that it is accounted to.
    let report: StoredReport
    /// Whether it is the agent's first in that epoch.
    let isFirstInEpoch: Bool
  }

  /// Opens the store, with what the log holds.
  /// - Parameters:
  ///   - awaitsContributions: whether an epoch is kept until its contribution is settled.
  ///   - reportsPerAgent: how many reports of one agent are kept.
  init(
    profile: OracleProfile, log: (any ReportLog)?, awaitsContributions: Bool, reportsPerAgent: Int
  ) {
    var ledger = Ledger(
      profile: profile, awaitsContributions: awaitsContributions, reportsPerAgent: reportsPerAgent)
    if let log = log as? any SnapshotLog {
      ledger.restore(log.recoveredLedger)
    } else {
      for report in log?.recovered ?? [] { ledger.accept(report) }
    }
    self.ledger = Mutex(ledger)
    self.log = log
    isFaithful = profile == .faithful
  }

  /// Forgets what the next report of each agent would be compared with, but for the agents that
  /// reported in an epoch.
  func forgetCounters(exceptIn epoch: UInt64) {
    ledger.withLock { $0.forgetCounters(exceptIn: epoch) }
  }

  /// Has a report fail as one does that the deployed oracle's database refuses: with its faults the counters
  /// and the last timestamp have advanced, and the difference is lost.
  func failToSave(_ report: StoredReport) async {
    guard isFaithful else { return }
    await turns.lock(report.agent)
    ledger.withLock { $0.advanceCounters(to: report) }
    turns.unlock(report.agent)
  }

  /// Accepts a report, and returns once it is stored durably.
  ///
  /// It counts only from then on: one that the log cannot store leaves no trace, and may come
  /// again. One whose epoch was closed while it was on its way is accounted to the next.
  /// - Throws: ``RejectionReason/replay(timestamp:last:)`` or ``RejectionReason/notStored(_:)``.
  func accept(_ report: StoredReport) async throws(RejectionReason) -> Acceptance {
    await turns.lock(report.agent)
    defer { turns.unlock(report.agent) }
    try checkReplay(report.timestamp, of: report.agent)
    // While the lock is held, none of the agent's epochs is closed.
    let report = report.accounted(
      to: read { $0.epochs.openEpoch(for: report.agent, from: report.epoch) })
    let (effect, sequence) = ledger.withLock { ($0.effect(of: report), $0.nextSequence()) }
    do {
      if let log = log as? any SnapshotLog {
        try await log.append(effect, sequence: sequence)
      } else {
        try await log?.append(effect.report, sequence: sequence)
      }
    } catch {
      // A fault of the deployed oracle: the counters have advanced, and the difference is lost.
      if isFaithful, report.dialect == .deployed {
        ledger.withLock { $0.advanceCounters(to: report) }
      }
      throw .notStored(String(describing: error))
    }
    ledger.withLock { $0.apply(effect) }
    return Acceptance(report: effect.report, isFirstInEpoch: effect.isFirstInEpoch)
  }

  /// Accounts nothing more to an epoch of an agent, once what is on its way there has arrived.
  /// - Returns: what the agent did in it; nil when it did nothing.
  func close(_ epoch: UInt64, of agent: Address) async -> EpochRecord? {
    await turns.lock(agent)
    defer { turns.unlock(agent) }
    return ledger.withLock { ledger in
      ledger.epochs.close(epoch, of: agent)
      return ledger.epochs.record(epoch, of: agent)
    }
  }

  /// Closes an epoch of an agent, as an earlier process did.
  func recoverClosed(_ epoch: UInt64, of agent: Address) {
    ledger.withLock { $0.epochs.close(epoch, of: agent) }
  }

  /// Restores epochs whose contributions an earlier process did not settle.
  func restoreUnsettled(_ records: [EpochRecord]) {
    ledger.withLock { ledger in
      for record in records { ledger.epochs.restoreUnsettled(record) }
    }
  }

  /// The latest epoch that anything was accounted to; nil before the first report.
  var latestEpoch: UInt64? { read { $0.epochs.latestOfAll } }

  /// Notes that an epoch's contribution needs nothing more.
  func settle(_ epoch: UInt64, of agent: Address) {
    ledger.withLock { $0.epochs.settle(epoch, of: agent) }
  }

  /// Refuses a timestamp that is not above the last one that was accepted from the agent.
  private func checkReplay(_ timestamp: Int64, of agent: Address) throws(RejectionReason) {
    if let last = read({ $0.lastTimestamp(of: agent) }), timestamp <= last {
      throw .replay(timestamp: timestamp, last: last)
    }
  }

  /// The proofs of an agent, oldest first.
  func proofs(of agent: Address) -> [AccountedProof] { read { $0.proofs(of: agent) } }

  /// Reads under the lock.
  func read<R: Sendable>(_ look: @Sendable (Ledger) -> R) -> R { ledger.withLock { look($0) } }
}
