public import Foundation

/// Something that happened in a network: where, when and what.
///
/// Its JSON has `number`, `time` (milliseconds since 1970), `part`, `kind`, and a member of the kind's name
/// with what there is to say of it: `{"number":7,"time":1764442000123.4,"part":"node-1","kind":"session",
/// "session":{…}}`.
public struct WatchedEvent: Sendable, Hashable {
  /// Its place in the stream, from 1 on without a gap.
  public var number: Int
  /// Milliseconds since 1970, at the part.
  public var time: Double
  /// Who it is about: `chain`, `oracle`, `gateway`, `node-1`, `page`.
  public var part: String
  /// What happened.
  public var kind: WatchedKind

  /// An event; a stream gives it its number.
  ///
  /// Of texts that are longer than 1000 characters it has the beginning.
  /// - Parameters:
  ///   - part: Who it is about.
  ///   - kind: What happened.
  ///   - time: When; now by default.
  public init(_ part: String, _ kind: WatchedKind, at time: Date = Date()) {
    self.init(number: 0, time: time.timeIntervalSince1970 * 1000, part: part, kind: kind.bounded)
  }

  /// An event with its number, and its time in milliseconds since 1970.
  package init(number: Int, time: Double, part: String, kind: WatchedKind) {
    self.number = number
    self.time = time
    self.part = part
    self.kind = kind
  }
}

/// What happens in a network.
public enum WatchedKind: Sendable, Hashable {
  /// A part started, or is gone.
  case life(PartLife)
  /// An agent did something.
  case agent(AgentAct)
  /// What the chain keeps of an agent has changed.
  case standing(AgentStanding)
  /// A session on a node.
  case session(SessionNews)
  /// The oracle answered a request.
  case request(OracleAnswer)
  /// The chain made a block.
  case block(BlockNews)
  /// A fault was ordered or taken back.
  case fault(FaultNews)
  /// A link to a node was changed.
  case link(LinkNews)
  /// The chain's clock was moved.
  case clock(ClockNews)
  /// A generation of the page.
  case generation(GenerationNews)
  /// A step of `run` or of the start of `up`.
  case check(CheckNews)
  /// How a load on the network goes.
  case load(LoadNews)
}

/// The beginning or the end of a part.
public struct PartLife: Codable, Sendable, Hashable {
  /// What became of it.
  public enum State: String, Codable, Sendable {
    /// Its process runs.
    case started
    /// It answers at an address.
    case listening
    /// It was asked to stop, and has.
    case stopped
    /// It was killed on purpose.
    case killed
    /// It ended without having been asked to.
    case failed
  }

  /// What became of it.
  public var state: State
  /// Its process, where it has one.
  public var process: Int?
  /// Where it answers.
  public var url: String?
  /// The blocks that it serves.
  public var blocks: String?
  /// Why it failed.
  public var reason: String?

  /// A part's beginning or end.
  public init(
    _ state: State, process: Int? = nil, url: String? = nil, blocks: String? = nil,
    reason: String? = nil
  ) {
    self.state = state
    self.process = process
    self.url = url
    self.blocks = blocks
    self.reason = reason
  }
}

/// Something that a node's agent did, or that failed.
public struct AgentAct: Codable, Sendable, Hashable {
  /// What it was.
  public enum Act: String, Codable, Sendable {
    case registered, heartbeat, proved, claimed, reported, assigned, topology, trouble
  }

  /// What it was.
  public var act: Act
  /// The agent's address, where the event has it.
  public var agent: String?
  /// The transaction, if it took one.
  public var transaction: String?
  /// The tokens that a proof or a report is about.
  public var tokens: Int?
  /// Further details, in a line.
  public var detail: String?

  /// Something that an agent did.
  public init(
    _ act: Act, agent: String? = nil, transaction: String? = nil, tokens: Int? = nil,
    detail: String? = nil
  ) {
    self.act = act
    self.agent = agent
    self.transaction = transaction
    self.tokens = tokens
    self.detail = detail
  }
}

/// What the chain keeps of an agent, at a block.
public struct AgentStanding: Codable, Sendable, Hashable {
  /// The agent's address.
  public var agent: String
  /// The name that it registered with.
  public var name: String
  /// Whether it is registered.
  public var registered: Bool
  /// Whether its status is "active".
  public var active: Bool
  /// Seconds since 1970; 0 before the first.
  public var lastHeartbeat: Int
  /// Rewards that were paid, in wei.
  public var paid: String
  /// Rewards that it can claim, in wei.
  public var pending: String
  /// Coins, in wei.
  public var balance: String

  /// A standing by its parts.
  public init(
    agent: String, name: String, registered: Bool, active: Bool, lastHeartbeat: Int, paid: String,
    pending: String, balance: String
  ) {
    self.agent = agent
    self.name = name
    self.registered = registered
    self.active = active
    self.lastHeartbeat = lastHeartbeat
    self.paid = paid
    self.pending = pending
    self.balance = balance
  }
}

/// The beginning, a step or the end of a session on a node.
public struct SessionNews: Codable, Sendable, Hashable {
  /// Which of them.
  public enum State: String, Codable, Sendable { case opened, step, finished, ended }

  /// The session's name, the same on every node of a route.
  public var session: String
  /// Which of them.
  public var state: State
  /// The blocks that it goes through, first-last.
  public var blocks: String
  /// Tokens of a step, or tokens that a finished session generated.
  public var tokens: Int?
  /// Tokens in the session's cache after a step.
  public var position: Int?
  /// Of a step's tokens, those that were not computed, since an earlier session began alike; nil for none.
  public var reused: Int?
  /// What the node computed for a step, in milliseconds.
  public var milliseconds: Double?
  /// Sessions and passes that hold cache memory on the node.
  public var sessions: Int
  /// Bytes that they hold.
  public var cacheBytes: Int
  /// Bytes that they may hold.
  public var cacheBudget: Int

  /// A session's news by its parts.
  public init(
    _ session: String, _ state: State, blocks: String, tokens: Int? = nil, position: Int? = nil,
    reused: Int? = nil, milliseconds: Double? = nil, sessions: Int, cacheBytes: Int,
    cacheBudget: Int
  ) {
    self.session = session
    self.state = state
    self.blocks = blocks
    self.tokens = tokens
    self.position = position
    self.reused = reused
    self.milliseconds = milliseconds
    self.sessions = sessions
    self.cacheBytes = cacheBytes
    self.cacheBudget = cacheBudget
  }
}
