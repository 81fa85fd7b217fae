/// Where accepted reports are kept beyond the process.
public protocol ReportLog: Sendable {
  /// What an earlier process had kept when the log was opened, in the order it was taken.
  var recovered: [StoredReport] { get }
  /// Keeps a report for good: when this returns, a crash cannot take it any more.
  ///
  /// A report for which this throws was not taken, and may come again. An agent's reports come one
  /// after another.
  /// - Parameter sequence: a number above that of every earlier report of this process, from 1; a
  ///   report that could not be kept leaves a gap.
  func append(_ report: StoredReport, sequence: Int64) async throws
}
