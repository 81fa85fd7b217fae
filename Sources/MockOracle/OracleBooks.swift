import EthereumPrimitives
import PlumiseWire
import Synchronization

/// The ledger behind its lock, and the log that makes it last.
final class OracleBooks: Sendable {
  private let ledger: Mutex<Ledger>
  private let log: (any ReportLog)?
  private let turns = AgentTurns()

  /// Opens the books, with everything that the log holds.
  init(profile: OracleProfile, log: (any ReportLog)?) {
    var ledger = Ledger(profile: profile)
    for report in log?.recovered ?? [] { _ = ledger.take(report) }
    self.ledger = Mutex(ledger)
    self.log = log
  }

  /// Takes a report, and returns once it is kept for good.
  ///
  /// It counts only from then on: one that the log cannot keep leaves no trace, and may come again.
  /// - Returns: whether it is the agent's first in its epoch.
  /// - Throws: ``Refusal/replay(timestamp:last:)`` or ``Refusal/notStored(_:)``.
  func take(_ report: StoredReport) async throws(Refusal) -> Bool {
    await turns.begin(report.agent)
    defer { turns.end(report.agent) }
    try checkReplay(report.timestamp, of: report.agent)
    if let log {
      do {
        try await log.append(report, sequence: ledger.withLock { $0.nextSequence() })
      } catch {
        throw .notStored(String(describing: error))
      }
    }
    return ledger.withLock { $0.take(report) }
  }

  /// Refuses a timestamp that is not above the last one that was taken from the agent.
  private func checkReplay(_ timestamp: Int64, of agent: Address) throws(Refusal) {
    if let last = read({ $0.lastTimestamp(of: agent) }), timestamp <= last {
      throw .replay(timestamp: timestamp, last: last)
    }
  }

  /// The proofs of an agent, oldest first.
  func proofs(of agent: Address) -> [HeldProof] { read { $0.proofs(of: agent) } }

  /// Looks something up.
  func read<R: Sendable>(_ look: @Sendable (Ledger) -> R) -> R { ledger.withLock { look($0) } }
}
