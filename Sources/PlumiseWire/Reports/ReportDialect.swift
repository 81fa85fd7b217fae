/// The two ways in which metrics are reported: where two real parts disagree, both are spoken.
public enum ReportDialect: String, Sendable, Hashable, CaseIterable {
  /// What Plumise's architecture document says (Wire.md, documented dialect): the default.
  case documented
  /// What the oracle that runs today takes (Wire.md, deployed dialect).
  case deployed

  /// Where a report is posted.
  public var path: String {
    switch self {
    case .documented: DocumentedReport.path
    case .deployed: DeployedReport.path
    }
  }

  /// The longest body that the oracle takes, in bytes.
  public var longestBody: Int {
    switch self {
    case .documented: 1 << 20
    case .deployed: 100 * 1024
    }
  }
}
