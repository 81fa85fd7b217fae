import Foundation

public import EthereumPrimitives

/// What an agent says about its work, in either dialect.
///
/// The counters are cumulative since the agent's start: a lost report loses nothing.
public struct ReportMeasures: Hashable, Sendable {
  /// The agent's account.
  public let agent: Address
  /// Tokens generated or processed.
  public let processedTokens: Int64
  /// The mean time of a request, in milliseconds, rounded to two decimals.
  public let averageLatencyMilliseconds: Double
  /// Seconds since the agent's start.
  public let uptimeSeconds: Int64
  /// Requests served.
  public let tasksCompleted: Int64
  /// When the report is made, in seconds since 1970.
  public let timestamp: Int64

  /// Measures of which each is zero or more; the latency is rounded here.
  ///
  /// - Throws: `ReportError` that names the field which is negative or no number.
  public init(
    agent: Address, processedTokens: Int64, averageLatencyMilliseconds: Double,
    uptimeSeconds: Int64, tasksCompleted: Int64, timestamp: Int64
  ) throws(ReportError) {
    let integers: [(ReportError.Field, Int64)] = [
      (.processedTokens, processedTokens), (.uptimeSeconds, uptimeSeconds),
      (.tasksCompleted, tasksCompleted), (.timestamp, timestamp),
    ]
    for (field, value) in integers where value < 0 { throw .negative(field, value) }
    guard averageLatencyMilliseconds.isFinite, averageLatencyMilliseconds >= 0 else {
      throw .invalidLatency(averageLatencyMilliseconds)
    }
    self.agent = agent
    self.processedTokens = processedTokens
    self.averageLatencyMilliseconds = Self.roundedToCents(averageLatencyMilliseconds)
    self.uptimeSeconds = uptimeSeconds
    self.tasksCompleted = tasksCompleted
    self.timestamp = timestamp
  }

  /// The double nearest to the value's exact decimal expansion cut to two places, as Python's
  /// `round(value, 2)` gives; multiplying by 100 first would err on values such as 1.115.
  private static func roundedToCents(_ value: Double) -> Double {
    // Adding zero turns a negative zero into a plain one.
    (Double(String(format: "%.2f", value)) ?? value) + 0
  }
}

/// Why measures cannot be reported.
public enum ReportError: Error, Hashable, Sendable, CustomStringConvertible {
  /// A field of a report.
  public enum Field: String, Hashable, Sendable {
    case processedTokens, uptimeSeconds, tasksCompleted, timestamp
  }

  /// A field is below zero; its value.
  case negative(Field, Int64)
  /// The latency is below zero, infinite or not a number.
  case invalidLatency(Double)

  /// What is wrong, in one line.
  public var description: String {
    switch self {
    case .negative(let field, let value): "a report's \(field.rawValue) is \(value), below zero"
    case .invalidLatency(let value):
      "a report's average latency is \(value) ms, which is no length of time"
    }
  }
}
