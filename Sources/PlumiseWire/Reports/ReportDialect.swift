public import EthereumPrimitives
import Foundation

/// The two ways in which metrics are reported: where two real parts disagree, both are spoken.
public enum ReportDialect: String, Sendable, Hashable, CaseIterable {
  /// The dialect of Plumise's architecture document (Wire.md, documented dialect): the default.
  case documented
  /// The dialect of the deployed oracle (Wire.md, deployed dialect).
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

/// The counters of an agent's report, in either dialect.
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

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .negative(let field, let value): "a report's \(field.rawValue) is \(value), below zero"
    case .invalidLatency(let value):
      "a report's average latency is \(value) ms, which is no length of time"
    }
  }
}

/// The text that a message's signature covers; it is not part of the message itself.
///
/// Both sides build it: the sender from its values, the receiver from the message. It is signed as
/// wallets sign (EIP-191).
public struct SignedText: Hashable, Sendable {
  /// The text itself.
  public let text: String

  /// The canonical JSON of a payload: the documented dialect.
  public init(canonical payload: JSON) { text = CanonicalJSON.text(of: payload) }

  /// Members of a body in a given order, as JavaScript prints them, for the deployed dialect.
  ///
  /// Each pair is the signed name and its value; a nil value is left out, as undefined ones are in
  /// JavaScript.
  public init(stringified members: [(String, JSON?)]) {
    let present = members.compactMap { name, value in value.map { (name, $0) } }
    text = JavaScriptJSON.text(of: .object(JSONObject(uniqueMembers: present)))
  }

  /// The digest that is signed.
  public var hash: Hash32 { PersonalMessage.hash(text) }

  /// Signs the text.
  public func signature(by key: SecretKey) -> Signature { key.sign(hash) }

  /// The account that made a signature over the text.
  ///
  /// - Throws: `SignatureError.unrecoverable` when no account can have made it.
  public func signer(of signature: Signature) throws(SignatureError) -> Address {
    try signature.recoverAddress(hash)
  }
}
