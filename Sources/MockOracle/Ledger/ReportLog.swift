import EthereumPrimitives
import TextKeys

/// A durable log of what the oracle accepted.
///
/// What it recovers it returns once, in the order in which it was accepted: an oracle that has read
/// it into memory needs no second copy.
public protocol ReportLog: Sendable {
  /// The reports that an earlier process had stored when the log was opened.
  var recovered: [StoredReport] { get }
  /// The registrations that an earlier process had stored.
  var recoveredRegistrations: [StoredRegistration] { get }
  /// The contributions that an earlier process had stored.
  var recoveredContributions: [StoredContribution] { get }

  /// Stores a report durably: when this returns, a crash cannot lose it any more.
  ///
  /// A report for which this throws was not accepted, and may come again. An agent's reports come
  /// one after another.
  /// - Parameters:
  ///   - report: the accepted report.
  ///   - sequence: a number above that of every earlier report of this process, from 1; a report that
  ///     could not be stored leaves a gap.
  func append(_ report: StoredReport, sequence: Int64) async throws
  /// Stores a registration durably.
  func append(_ registration: StoredRegistration) async throws
  /// Stores a contribution durably; a later one of the same agent and epoch takes its place.
  func append(_ contribution: StoredContribution) async throws
}

/// A log of reports alone.
extension ReportLog {
  /// None.
  public var recoveredRegistrations: [StoredRegistration] { [] }
  /// None.
  public var recoveredContributions: [StoredContribution] { [] }
  /// Stores nothing.
  public func append(_ registration: StoredRegistration) async throws {}
  /// Stores nothing.
  public func append(_ contribution: StoredContribution) async throws {}
}

/// A log that stores the totals beside the reports, in the same transaction: an oracle that starts
/// again reads the totals, and not every report that there ever was.
protocol SnapshotLog: ReportLog {
  /// The ledger as it was when the log was opened: once, then an empty one.
  var recoveredLedger: LedgerSnapshot { get }
  /// The registry as it was when the log was opened: once, then an empty one.
  var recoveredRegistry: RegistrySnapshot { get }

  /// Stores a report and what it changed durably.
  func append(_ effect: Ledger.Effect, sequence: Int64) async throws
  /// Stores a registration durably, and with it how the layers of its model are shared now.
  func append(
    _ registration: Registration, at time: Int64, _ change: PipelineTable.Change?)
    async throws
  /// Stores that an epoch's contribution is settled.
  func settle(_ epoch: UInt64, of agent: Address) async throws
  /// The epochs whose contributions are not settled, with those of them that were signed.
  func unsettled() async throws -> (epochs: [EpochRecord], signed: [StoredContribution])
}

/// What a log stores of the ledger: everything but old reports and old epochs.
struct LedgerSnapshot: Sendable {
  struct Agent: Sendable {
    let record: AgentRecord
    /// The epoch that its last report was accounted to.
    let latestEpoch: UInt64
    /// The last epoch whose contribution was signed.
    let closedEpoch: UInt64?
  }

  var agents: [Agent] = []
  struct Epoch: Sendable {
    let record: EpochRecord
    /// Whether its contribution needs nothing more.
    let isSettled: Bool
  }

  /// The latest epochs of all agents and the latest of each, oldest first.
  var epochs: [Epoch] = []
  /// The latest reports, oldest first.
  var reports: [StoredReport] = []
}

/// What a log stores of the registry.
struct RegistrySnapshot: Sendable {
  var nodes: [RegisteredNode] = []
  /// The pipelines by model, each in its order.
  var pipelines: TextDictionary<[PipelineTable.Entry]> = [:]
  /// The timestamp of the last message of each kind that was accepted from an account.
  var lastTimestamps: [StoredRegistration.Kind: [Address: Double]] = [:]
}

/// A log without totals, whose reports are read once for the registry and the ledger.
struct ReplayedLog: ReportLog {
  private let log: any ReportLog
  let recovered: [StoredReport]

  init(_ log: any ReportLog) {
    self.log = log
    recovered = log.recovered
  }

  var recoveredRegistrations: [StoredRegistration] { log.recoveredRegistrations }
  var recoveredContributions: [StoredContribution] { log.recoveredContributions }

  func append(_ report: StoredReport, sequence: Int64) async throws {
    try await log.append(report, sequence: sequence)
  }

  func append(_ registration: StoredRegistration) async throws {
    try await log.append(registration)
  }

  func append(_ contribution: StoredContribution) async throws {
    try await log.append(contribution)
  }
}
