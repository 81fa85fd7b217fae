import PlumiseWire

/// Why a report was not accepted; an outage, a time-out and a refusal are different things.
public enum ReportFailure: Error, Sendable, Hashable, CustomStringConvertible {
  /// There was no answer: nobody listens, or the connection broke.
  case outage(url: String, reason: String)
  /// There was no answer in time.
  case timedOut(url: String, after: Duration)
  /// The oracle answered, and did not accept the report.
  case refused(status: Int, message: String, retryAfter: Duration?)

  /// Whether the same report may be accepted later: after an outage, a time-out, a server's error
  /// (5xx), or 408 and 429.
  public var isRetryable: Bool {
    switch self {
    case .outage, .timedOut: true
    case .refused(let status, _, _): status >= 500 || status == 408 || status == 429
    }
  }

  /// Whether the oracle may have accepted the report nevertheless: no answer came, or one from
  /// something in between.
  public var outcomeIsUnknown: Bool {
    switch self {
    case .outage, .timedOut: true
    case .refused(let status, _, _): status == 502 || status == 504
    }
  }

  /// Whether the oracle says that the timestamp is too far from now.
  var isStale: Bool {
    guard case .refused(409, let message, _) = self else { return false }
    return message.hasPrefix("Stale")
  }

  /// Whether the oracle says that it has accepted this timestamp or a later one.
  var isReplay: Bool {
    guard case .refused(let status, let message, _) = self else { return false }
    // A 409 may also say that a report is too old.
    return status == 409 ? !message.hasPrefix("Stale") : message.hasPrefix("Replay detected")
  }

  /// One line: what happened.
  public var description: String {
    switch self {
    case .outage(let url, let reason): "no answer from \(url): \(reason)"
    case .timedOut(let url, let limit): "no answer from \(url) within \(limit)"
    case .refused(let status, let message, _): "the oracle refused with \(status): \(message)"
    }
  }

  /// Reads an answer by the rule of Oracle.md, The reporter: it is a success when the status is
  /// below 300 and the body is not an object that says otherwise.
  /// - Returns: the failure, or `nil` for a success.
  static func reading(_ answer: ReportAnswer) -> ReportFailure? {
    // A body that is no JSON says nothing; then the status alone decides.
    let body = try? JSON.parse(answer.body)
    let saysNo = body?["status"] == .string("error") || body?["success"] == .bool(false)
    if answer.status < 300 && !saysNo { return nil }
    return .refused(
      status: answer.status, message: message(in: body, raw: answer.body),
      retryAfter: answer.retryAfter)
  }

  private static func message(in body: JSON?, raw: [UInt8]) -> String {
    switch body?["message"] {
    case .string(let text): text
    case .array(let texts): texts.compactMap(\.stringValue).joined(separator: "; ")
    default: raw.isEmpty ? "no reason given" : String(decoding: raw.prefix(200), as: UTF8.self)
    }
  }
}

/// How one report ended.
public struct ReportOutcome: Sendable, Hashable {
  /// Which report of this reporter it was, from 1.
  public let number: Int
  /// Its timestamp, in unix seconds.
  public let timestamp: Int64
  /// The cumulative tokens that it reported; since the counter's last restart.
  public let processedTokens: Int64
  /// The cumulative inferences that it reported.
  public let tasksCompleted: Int64
  /// How many proofs it carried, with those of an earlier report that it resolved.
  public let proofCount: Int
  /// Whether it was sent by `stop()`.
  public let isFinal: Bool
  /// Why it was not accepted, or `nil` when it was.
  public let failure: ReportFailure?
  /// How many reports in a row were not accepted, this one included; 0 after a success.
  public let consecutiveFailures: Int
  /// Whether the token counter was started again for it, because the oracle takes no more than
  /// 1 000 000 000 in a report.
  public let restartsCounter: Bool

  /// Whether the oracle accepted it.
  public var isAccepted: Bool { failure == nil }
}
