import PlumiseWire
public import SystemErrors

/// Why a reporter's configuration was refused, why it did not start, or why a report was not accepted:
/// an open code, one line for people, and what caused it.
///
/// The code says what its owner can do; the texts are for people, and may change. Two errors are
/// equal whatever caused them.
public struct ReporterError: Error, Hashable, Sendable {
  /// What kind of failure it is, which decides what its owner can do.
  ///
  /// The set is open: later versions may have further codes.
  public struct Code: ErrorCode {
    /// The code's name.
    public let rawValue: String

    /// Makes a code from its name.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// The oracle's URL is none.
    public static let invalidURL = Self(rawValue: "invalid URL")
    /// The interval is shorter than allowed, or not above zero.
    public static let invalidInterval = Self(rawValue: "invalid interval")
    /// The request's or the stop's time-out is not above zero.
    public static let invalidTimeout = Self(rawValue: "invalid timeout")
    /// The reporter runs already: stop it first.
    public static let alreadyRunning = Self(rawValue: "already running")
    /// There was no answer: nobody listens, or the connection broke.
    public static let outage = Self(rawValue: "outage")
    /// There was no answer in time.
    public static let timedOut = Self(rawValue: "timed out")
    /// The oracle answered that it does not take the report; ``ReporterError/status`` says more.
    public static let refused = Self(rawValue: "refused")
  }

  /// What kind of failure it is.
  public var code: Code
  /// One line: what happened, and what to do where something can be done.
  public var message: String
  /// The HTTP status that the oracle refused with; nil for other failures.
  public var status: Int?
  /// Why, in the oracle's own words or the network's; nil where there are none.
  public var reason: String?
  /// How long the oracle asks to wait (`Retry-After`).
  public var retryAfter: Duration?
  /// The network's error that began it.
  @ErrorCause<Never> public var cause: (any Error)?

  /// Makes an error from its code and message.
  public init(
    _ code: Code, _ message: String, status: Int? = nil, reason: String? = nil,
    retryAfter: Duration? = nil, cause: (any Error)? = nil
  ) {
    self.code = code
    self.message = message
    self.status = status
    self.reason = reason
    self.retryAfter = retryAfter
    self.cause = cause
  }

  /// Whether the same report may be accepted later: after an outage, a time-out, a server's error
  /// (5xx), or 408 and 429, which ask to wait.
  public var isRetryable: Bool {
    guard let status else { return hasNoAnswer }
    return status >= 500 || status == 408 || status == 429
  }

  /// Whether the oracle may have accepted the report nevertheless: no answer came, or one from
  /// something in between.
  public var outcomeIsUnknown: Bool { hasNoAnswer || status == 502 || status == 504 }

  private var hasNoAnswer: Bool { code == .outage || code == .timedOut }

  /// Whether the oracle says that the timestamp is too far from now.
  var isStale: Bool { status == 409 && reason?.hasPrefix("Stale") == true }

  /// Whether the oracle says that it has accepted this timestamp or a later one.
  var isReplay: Bool {
    guard code == .refused, let reason else { return false }
    // A 409 may also say that a report is too old.
    // The documented dialect has a status for it, the deployed one only its words.
    return status == 409 ? !isStale : reason == DeployedReport.replayMessage
  }
}

extension ReporterError: CustomStringConvertible {
  /// The message.
  public var description: String { message }
}

// Reading an answer.
extension ReporterError {
  /// Reads an answer by the rule of Oracle.md, The reporter: it is a success when the status is
  /// below 300 and the body is not an object that says otherwise.
  /// - Returns: the failure, or `nil` for a success.
  static func reading(_ answer: ReportAnswer) -> ReporterError? {
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

// The messages.
extension ReporterError {
  package static let alreadyRunning = ReporterError(
    .alreadyRunning, "the oracle reporter is running already: stop it before starting it again")

  package static func outage(
    url: String, reason: String, cause: (any Error)? = nil
  ) -> ReporterError {
    ReporterError(.outage, "no answer from \(url): \(reason)", reason: reason, cause: cause)
  }

  package static func timedOut(url: String, after limit: Duration) -> ReporterError {
    ReporterError(.timedOut, "no answer from \(url) within \(limit)")
  }

  package static func refused(
    status: Int, message: String, retryAfter: Duration?
  ) -> ReporterError {
    ReporterError(
      .refused, "the oracle refused with \(status): \(message)", status: status, reason: message,
      retryAfter: retryAfter)
  }

  static func invalidURL(_ text: String, reason: String) -> ReporterError {
    ReporterError(
      .invalidURL, "oracle URL \"\(text)\": \(reason); give one like http://127.0.0.1:3100",
      reason: reason)
  }

  package static func intervalTooShort(_ interval: Duration, least: Duration) -> ReporterError {
    let limit = least == .zero ? "above zero" : "at least \(least)"
    return ReporterError(.invalidInterval, "report interval \(interval): it must be \(limit)")
  }

  package static func timeoutTooShort(_ timeout: Duration) -> ReporterError {
    ReporterError(.invalidTimeout, "timeout \(timeout): it must be above zero")
  }
}
