/// Where what the oracle accepted is kept beyond the process.
///
/// What it hands back it hands back once, in the order it was taken: an oracle that has read it into
/// its books needs no second copy.
public protocol ReportLog: Sendable {
  /// The reports that an earlier process had kept when the log was opened.
  var recovered: [StoredReport] { get }
  /// The registrations that an earlier process had kept.
  var recoveredRegistrations: [StoredRegistration] { get }
  /// The contributions that an earlier process had kept.
  var recoveredContributions: [StoredContribution] { get }

  /// Keeps a report for good: when this returns, a crash cannot take it any more.
  ///
  /// A report for which this throws was not taken, and may come again. An agent's reports come one
  /// after another.
  /// - Parameter sequence: a number above that of every earlier report of this process, from 1; a
  ///   report that could not be kept leaves a gap.
  func append(_ report: StoredReport, sequence: Int64) async throws
  /// Keeps a registration for good.
  func append(_ registration: StoredRegistration) async throws
  /// Keeps a contribution for good; a later one of the same agent and epoch takes its place.
  func append(_ contribution: StoredContribution) async throws
}

/// A log of reports alone.
extension ReportLog {
  /// None.
  public var recoveredRegistrations: [StoredRegistration] { [] }
  /// None.
  public var recoveredContributions: [StoredContribution] { [] }
  /// Keeps nothing.
  public func append(_ registration: StoredRegistration) async throws {}
  /// Keeps nothing.
  public func append(_ contribution: StoredContribution) async throws {}
}
