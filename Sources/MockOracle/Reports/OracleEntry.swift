public import EthereumPrimitives
public import MockServing
public import PlumiseWire

/// One thing that the oracle did: what came, what was answered, and why.
public struct OracleEntry: Sendable, Hashable {
  /// How a request ended.
  public enum Outcome: Sendable, Hashable {
    /// A report was taken.
    case accepted(StoredReport)
    /// A registration was taken.
    case registered(StoredRegistration)
    /// A report or a registration was not taken.
    case refused(RejectionReason)
    /// Something was read.
    case served
    /// There is no such route.
    case unknownRoute
  }

  /// What came.
  public let request: WebRequest
  /// The status that was answered.
  public let status: Int
  /// The agent that the request speaks for, once that could be read.
  public let agent: Address?
  /// The dialect of the route, when it has one.
  public let dialect: ReportDialect?
  /// How it ended.
  public let outcome: Outcome
  /// What was taken although it is not as it should be, and why.
  public internal(set) var notes: [String] = []

  /// The report, when one was taken.
  public var accepted: StoredReport? {
    if case .accepted(let report) = outcome { report } else { nil }
  }

  /// The registration, when one was taken.
  public var registered: StoredRegistration? {
    if case .registered(let registration) = outcome { registration } else { nil }
  }

  /// Why a report was not taken, when that is how it ended.
  public var refusal: RejectionReason? {
    if case .refused(let refusal) = outcome { refusal } else { nil }
  }
}
