public import PlumiseWire

/// What a reporter reports to, how often, and in which dialect.
public struct ReporterConfiguration: Sendable, Hashable {
  /// The shortest interval that a node in production may report at.
  public static let minimumProductionInterval: Duration = .seconds(10)

  /// The oracle's base URL.
  public let oracle: OracleURL
  /// The time from one report to the next; the first comes after one interval.
  public let interval: Duration
  /// How long one request may take, the answer included.
  public let requestTimeout: Duration
  /// The dialect that the oracle speaks.
  public let dialect: ReportDialect
  /// How long it waits before it tries again.
  public let retry: RetryPolicy
  /// How long a stop may take, the last report included.
  public let stopDeadline: Duration

  /// Makes a configuration.
  /// - Parameters:
  ///   - oracleURL: the oracle's base URL; trailing slashes do not count.
  ///   - interval: above zero; a test may take any, ``production(oracleURL:interval:dialect:)``
  ///     checks what a node may take.
  ///   - requestTimeout: above zero.
  ///   - dialect: the documented one unless said otherwise.
  ///   - retry: how long it waits before it tries again.
  ///   - stopDeadline: above zero.
  /// - Throws: ``ReporterError``.
  public init(
    oracleURL: String, interval: Duration = .seconds(60), requestTimeout: Duration = .seconds(30),
    dialect: ReportDialect = .documented, retry: RetryPolicy = RetryPolicy(),
    stopDeadline: Duration = .seconds(30)
  ) throws(ReporterError) {
    oracle = try OracleURL(oracleURL)
    guard interval > .zero else {
      throw .intervalTooShort(interval, least: .zero)
    }
    guard requestTimeout > .zero else { throw .timeoutTooShort(requestTimeout) }
    guard stopDeadline > .zero else { throw .timeoutTooShort(stopDeadline) }
    self.interval = interval
    self.requestTimeout = requestTimeout
    self.dialect = dialect
    self.retry = retry
    self.stopDeadline = stopDeadline
  }

  /// A configuration for a node in production: an interval of at least 10 s (Oracle.md, The
  /// reporter), and a last report that is tried three times.
  /// - Throws: ``ReporterError``.
  public static func production(
    oracleURL: String, interval: Duration = .seconds(60), dialect: ReportDialect = .documented
  ) throws(ReporterError) -> ReporterConfiguration {
    guard interval >= minimumProductionInterval else {
      throw .intervalTooShort(interval, least: minimumProductionInterval)
    }
    return try ReporterConfiguration(
      oracleURL: oracleURL, interval: interval, dialect: dialect,
      retry: RetryPolicy(finalAttempts: 3))
  }

  /// The longest time that an oracle may put the next report off by (`Retry-After`): ten intervals,
  /// or ten minutes where those are less.
  public var longestPause: Duration { max(interval * 10, .seconds(600)) }

  /// Where reports are posted.
  public var reportURL: String { oracle.appending(path: dialect.path) }
}
