import AsyncPrimitives
public import EthereumPrimitives
import HTTPTypes
public import MockServing
public import PlumiseWire

/// A request as the journal records it: what came, what was answered, and why.
public struct OracleEntry: Sendable, Hashable {
  /// How a request ended.
  public enum Outcome: Sendable, Hashable {
    /// A report was accepted.
    case accepted(StoredReport)
    /// A registration was accepted.
    case registered(StoredRegistration)
    /// A report or a registration was not accepted.
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
  /// What was accepted although it is not as it should be, and why.
  public internal(set) var notes: [String] = []

  /// The report, when one was accepted.
  public var accepted: StoredReport? {
    if case .accepted(let report) = outcome { report } else { nil }
  }

  /// The registration, when one was accepted.
  public var registered: StoredRegistration? {
    if case .registered(let registration) = outcome { registration } else { nil }
  }

  /// Why a report was not accepted, when that is how it ended.
  public var refusal: RejectionReason? {
    if case .refused(let refusal) = outcome { refusal } else { nil }
  }
}

/// Waits and queries for tests.
extension Journal<OracleEntry> {
  /// The next report or registration that is accepted from an agent, at or after a position.
  /// - Throws: `CancellationError` when the task is cancelled before one comes.
  public func next(from agent: Address, after position: Int = 0) async throws -> OracleEntry {
    try await next(after: position) { $0.agent == agent && $0.isAccepted }
  }

  /// Waits until so many reports and registrations were accepted, from one agent or from any.
  /// - Throws: `CancellationError` when the task is cancelled first.
  @discardableResult
  public func waitFor(count: Int, from agent: Address? = nil) async throws -> [OracleEntry] {
    try await wait(forCount: count) { $0.isAccepted && (agent == nil || $0.agent == agent) }
  }

  /// The next accepted report or registration of an agent, or why there is none.
  /// - Parameters:
  ///   - agent: who is waited for.
  ///   - limit: how long.
  ///   - clock: what the time is measured on.
  /// - Throws: ``ReportWaitTimeout`` with what came instead, or `CancellationError`.
  public func next(
    from agent: Address, within limit: Duration,
    on clock: any Clock<Duration> = ContinuousClock()
  ) async throws -> OracleEntry {
    try await withDeadline(
      limit, on: clock,
      orThrow: ReportWaitTimeout(agent: agent, within: limit, nearMisses: nearMisses(of: agent))
    ) { try await self.next(from: agent) }
  }

  /// Requests that were nearly an accepted report of an agent, each with the reason why it was not:
  /// refused ones in its name or without a name, ones in another name with its signature, and ones
  /// without a route, as a report in the other dialect.
  public func nearMisses(of agent: Address) -> [String] { misses(of: agent) }

  /// The near misses of one agent, or of any.
  func misses(of agent: Address?) -> [String] {
    entries.filter { $0.isNearMiss(of: agent) }.map { entry in
      "\(entry.request.method.rawValue) \(entry.request.path) was answered \(entry.status): "
        + entry.reason
    }
  }
}

extension OracleEntry {
  /// Whether a report or a registration was accepted.
  public var isAccepted: Bool { accepted != nil || registered != nil }

  /// Whether something was posted that was not accepted, and that speaks for an agent or for
  /// nobody, or has its signature.
  func isNearMiss(of agent: Address?) -> Bool {
    switch outcome {
    case .accepted, .registered, .served: return false
    case .unknownRoute where request.body.isEmpty: return false
    case .refused(.wrongSigner(let signer, _)) where signer == agent: return true
    case .refused, .unknownRoute:
      guard let agent else { return true }
      // What cannot be read may be anybody's.
      return (self.agent ?? request.namedAgent).map { $0 == agent } ?? true
    }
  }

  /// Why something that was posted was nearly an accepted report or registration; nil for what was
  /// accepted or read, and for what was sent nothing with.
  public var nearMiss: String? { isNearMiss(of: nil) ? reason : nil }

  /// Why it was not accepted.
  fileprivate var reason: String {
    if let refusal { return refusal.shortDescription }
    if let other = ReportDialect.allCases.first(where: { $0.path == request.path }) {
      return "there the \(other.rawValue) dialect takes reports, which this oracle does not speak"
    }
    return "there is no such route"
  }

  /// About how many bytes of memory the entry holds.
  package var byteCount: Int {
    256 + request.byteCount + (accepted?.proofs.count ?? 0) * 300 + (refusal?.byteCount ?? 0)
      + notes.reduce(0) { $0 + $1.utf8.count + 32 }
  }
}

extension WebRequest {
  /// The agent that the body names, in the words of either dialect; nil for what is no JSON, or
  /// names none.
  var namedAgent: Address? {
    guard let body = try? JSON.parse(body) else { return nil }
    let named = body["payload"]?["agent"] ?? body["wallet"] ?? body["address"]
    return named?.stringValue.flatMap { try? Address($0) }
  }
}
