import EthereumPrimitives
import Foundation
import MockOracle
import MockServing
import MockWeb3
import NetworkWatch
import OracleReporter
import PetalsNode
import PlumiseWire

/// Keeps what happens in a network until it is over, for the report of a failure.
///
/// What is kept is what there is anyway, a block or a journal's entry; it becomes events only when somebody asks.
final class NetworkRecorder: Sendable {
  /// Something that happened.
  enum Entry: Sendable {
    case request(OracleEntry)
    case block(Block, failures: [Int: String], rewardPool: Address)
    case session(SessionActivity)
    case faults(FaultAdministration.Change)
    case link(FaultyLink.Change)
    case part(NetworkEvent.Kind)
    case reportAccepted(ReportRequest)
  }

  private struct Record: Sendable {
    let time: Date
    let part: String
    let entry: Entry
  }

  /// When the network was made.
  let start = Date()
  private let journal = Journal<Record>(capacity: 20_000)

  /// Notes something of a part, which happens now.
  func record(_ part: String, _ entry: Entry) {
    journal.record(Record(time: Date(), part: part, entry: entry))
  }

  /// Notes from here on what is done to a script of faults.
  func follow(_ script: FaultScript, of part: String) {
    script.observe { [self] in record(part, .faults($0)) }
  }

  /// Notes from here on what a chain does, and what is done to its faults.
  func follow(_ chain: MockWeb3) {
    let rewardPool = chain.configuration.rules.poolAddress
    chain.observeBlocks { [self] block, failures in
      // An hour of empty blocks says nothing, and would push out what does.
      if block.transactions.isEmpty { return }
      record("chain", .block(block, failures: failures, rewardPool: rewardPool))
    }
    chain.observeFaults { [self] in record("chain", .faults($0)) }
  }

  /// Notes from here on what is done to a link.
  func follow(_ link: FaultyLink, from: NetworkPlace, to: NetworkPlace) {
    link.observe { [self] in record("\(from) → \(to)", .link($0)) }
  }

  /// How many of the first things that were noted are kept no more.
  var dropped: Int { journal.count - journal.keptCount }

  /// What was noted and is kept, in its order.
  var events: [WatchedEvent] {
    let dropped = dropped
    return journal.entries.enumerated().map { index, record in
      WatchedEvent(
        number: dropped + index + 1, time: record.time.timeIntervalSince1970 * 1000,
        part: record.part, kind: record.entry.kind)
    }
  }
}

extension NetworkRecorder.Entry {
  fileprivate var kind: WatchedKind {
    switch self {
    case .request(let entry): .request(OracleAnswer(entry))
    case .block(let block, let failures, let rewardPool):
      .block(BlockNews(block, failures: failures, rewardPool: rewardPool))
    case .session(let activity): .session(SessionNews(activity))
    case .faults(let change): .fault(FaultNews(change))
    case .link(.fault(let change)): .fault(FaultNews(change))
    case .link(.cut): .link(LinkNews(.cut))
    case .link(.held): .link(LinkNews(.held))
    case .link(.opened): .link(LinkNews(.open))
    case .part(let kind): kind.watched
    case .reportAccepted(let request):
      .agent(AgentAct(.reported, tokens: request.reportedTokens))
    }
  }
}

extension ReportRequest {
  /// Whether an answer says that the report is accepted.
  func isAccepted(by answer: ReportAnswer) -> Bool {
    guard (200..<300).contains(answer.status) else { return false }
    let said = try? JSON.parse(answer.body)
    return said?["status"] != "error" && said?["success"] != false
  }

  /// The tokens that the report speaks of, in either dialect; nil for a body that is no report.
  fileprivate var reportedTokens: Int? {
    guard let json = try? JSON.parse(body) else { return nil }
    let tokens = json["payload"]?["processed_tokens"] ?? json["tokensProcessed"]
    return tokens?.integerValue.map { Int($0) }
  }
}

extension NetworkEvent.Kind {
  fileprivate var watched: WatchedKind {
    switch self {
    case .started: .life(PartLife(.started))
    case .stopped: .life(PartLife(.stopped))
    case .killed: .life(PartLife(.killed))
    case .agent(let event): .agent(AgentAct(event))
    case .reportAnswered, .reportFailed, .serviceEnded:
      .agent(AgentAct(.trouble, detail: description))
    }
  }
}

extension AgentAct {
  fileprivate init(_ event: AgentEvent) {
    let act: Act =
      switch event {
      case .registered: .registered
      case .heartbeat: .heartbeat
      case .verified: .proved
      case .claimed: .claimed
      case .forgotten, .failed: .trouble
      }
    self.init(
      act, transaction: event.receipt?.transactionHash.hex, detail: event.summary)
  }
}
