import AsyncHTTPClient
public import ChainAgent
import EthereumClient
import OracleReporter

/// Something that a part of a network did by itself or had done to it.
public struct NetworkEvent: Sendable, CustomStringConvertible {
  /// When, since the network's start, on the network's clock.
  public let time: Duration
  /// The part: `node 0`, `oracle`, `chain` or `gateway`.
  public let part: String
  /// What happened.
  public let kind: Kind

  /// What happens to parts.
  public enum Kind: Sendable, CustomStringConvertible {
    /// It serves, for the first time or again.
    case started
    /// It was stopped, and finished what was under way.
    case stopped
    /// It was killed, and broke off what was under way.
    case killed
    /// The node's agent did something, or failed to.
    case agent(AgentEvent)
    /// The node's reporter was answered with a status.
    case reportAnswered(status: Int)
    /// A report of the node got no answer.
    case reportFailed(reason: String)
    /// The agent's service ended though nobody ended it.
    case serviceEnded(reason: String)

    /// The event in a few words.
    public var description: String {
      switch self {
      case .started: "started"
      case .stopped: "stopped"
      case .killed: "killed"
      case .agent(let event): event.summary
      case .reportAnswered(let status): "report answered \(status)"
      case .reportFailed(let reason): "report without an answer: \(reason)"
      case .serviceEnded(let reason): "the agent's service ended: \(reason)"
      }
    }
  }

  /// One line: when, who, what.
  public var description: String { "\(time) \(part): \(kind)" }
}

extension AgentEvent {
  /// The event in a few words.
  var summary: String {
    switch self {
    case .registered(.registered): "registered"
    case .registered(.alreadyRegistered): "registered already"
    case .forgotten: "forgotten by the chain"
    case .heartbeat: "heartbeat"
    case .verified: "proof verified"
    case .claimed: "reward claimed"
    case .failed(let failure):
      "\(failure.work) failed: "
        + ((failure.error as? ChainError)?.code.rawValue ?? "\(type(of: failure.error))")
    }
  }

  /// The receipt of the event's transaction, if it has one.
  var receipt: Receipt? {
    switch self {
    case .registered(.registered(let receipt)), .heartbeat(let receipt), .verified(_, let receipt),
      .claimed(let receipt):
      receipt
    case .registered(.alreadyRegistered), .forgotten, .failed: nil
    }
  }
}

/// The way of a node's reports, as long as the node lives.
struct NetworkReports: ReportTransport {
  let life: NetworkNodeLife.Identity
  let note: @Sendable (NetworkEvent.Kind) -> Void
  /// Is told of each report whose answer says that it is accepted.
  let onAcceptance: @Sendable (ReportRequest) -> Void
  private let http: HTTPReportTransport

  init(
    of life: NetworkNodeLife.Identity, over client: HTTPClient,
    note: @escaping @Sendable (NetworkEvent.Kind) -> Void,
    onAcceptance: @escaping @Sendable (ReportRequest) -> Void
  ) {
    self.life = life
    self.onAcceptance = onAcceptance
    http = HTTPReportTransport(client: client)
    self.note = note
  }

  func post(_ request: ReportRequest) async throws -> ReportAnswer {
    guard life.isAlive else { throw Dead() }
    do {
      let answer = try await http.post(request)
      note(.reportAnswered(status: answer.status))
      if request.isAccepted(by: answer) { onAcceptance(request) }
      return answer
    } catch {
      if life.isAlive { note(.reportFailed(reason: "\(error)")) }
      throw error
    }
  }

  struct Dead: Error, CustomStringConvertible {
    var description: String { "the node was killed" }
  }
}
