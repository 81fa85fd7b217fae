/// A request that the oracle answered.
public struct OracleAnswer: Codable, Sendable, Hashable {
  /// How it ended.
  public enum Outcome: String, Codable, Sendable {
    case accepted, registered, refused, served, unknown
  }

  /// The request's method.
  public var method: String
  /// The request's path.
  public var path: String
  /// The status that was answered.
  public var status: Int
  /// How it ended.
  public var outcome: Outcome
  /// The agent that it speaks for, once that could be read.
  public var agent: String?
  /// Tokens of an accepted report, since the node's start.
  public var tokens: Int?
  /// Why it was not accepted.
  public var reason: String?
  /// Whether it was nearly an accepted report: refused, or posted where there is no route.
  public var isNearMiss: Bool
  /// What was accepted although it is not as it should be.
  public var notes: [String]

  /// An answer by its parts.
  public init(
    method: String, path: String, status: Int, outcome: Outcome, agent: String? = nil,
    tokens: Int? = nil, reason: String? = nil, isNearMiss: Bool = false, notes: [String] = []
  ) {
    self.method = method
    self.path = path
    self.status = status
    self.outcome = outcome
    self.agent = agent
    self.tokens = tokens
    self.reason = reason
    self.isNearMiss = isNearMiss
    self.notes = notes
  }
}

/// A block that the chain made.
public struct BlockNews: Codable, Sendable, Hashable {
  /// A transaction in it, read.
  public struct Sent: Codable, Sendable, Hashable {
    /// Its hash.
    public var hash: String
    /// The account that signed it.
    public var from: String
    /// The account that it calls; nil for the creation of a contract.
    public var to: String?
    /// What it does: `registration`, `heartbeat`, `proof`, `claim`, `transfer`, `creation`, or a
    /// contract's function as `reportContribution(address,uint256)`.
    public var call: String
    /// Its arguments, in a line; nil without any.
    public var detail: String?
    /// Whether it went through.
    public var succeeded: Bool
    /// Why it did not.
    public var reason: String?
    /// The gas that it used.
    public var gas: Int

    /// A transaction by its parts.
    public init(
      hash: String, from: String, to: String?, call: String, detail: String? = nil,
      succeeded: Bool = true, reason: String? = nil, gas: Int
    ) {
      self.hash = hash
      self.from = from
      self.to = to
      self.call = call
      self.detail = detail
      self.succeeded = succeeded
      self.reason = reason
      self.gas = gas
    }
  }

  /// Its height.
  public var height: Int
  /// Its hash.
  public var hash: String
  /// Seconds since 1970, on the chain's clock.
  public var timestamp: Int
  /// The gas that its transactions used.
  public var gas: Int
  /// Its transactions in their order.
  public var transactions: [Sent]

  /// A block by its parts.
  public init(height: Int, hash: String, timestamp: Int, gas: Int, transactions: [Sent]) {
    self.height = height
    self.hash = hash
    self.timestamp = timestamp
    self.gas = gas
    self.transactions = transactions
  }
}

/// A change of the faults of a service or of the links.
public struct FaultNews: Codable, Sendable, Hashable {
  /// What was done.
  public enum Change: String, Codable, Sendable {
    /// It was ordered, and is on from here on.
    case ordered
    /// It was taken back.
    case takenBack = "taken-back"
    /// All were taken back.
    case cleared
    /// It has met all that it could, and is off.
    case usedUp = "used-up"
  }

  /// What was done.
  public var change: Change
  /// The fault's id; nil where all are taken back.
  public var id: String?
  /// What was ordered, as JSON text.
  public var order: String?

  /// A change by its parts.
  public init(_ change: Change, id: String? = nil, order: String? = nil) {
    self.change = change
    self.id = id
    self.order = order
  }
}

/// A change of the link to a node.
public struct LinkNews: Codable, Sendable, Hashable {
  /// What the link does now.
  public enum State: String, Codable, Sendable, CaseIterable {
    /// It forwards what comes, at once.
    case open
    /// It has no connection and takes none.
    case cut
    /// It takes what comes and forwards nothing.
    case held
    /// It forwards what comes through new connections later.
    case slow
  }

  /// What the link does now.
  public var state: State
  /// How much later a slow link forwards.
  public var milliseconds: Int?

  /// A change by its parts.
  public init(_ state: State, milliseconds: Int? = nil) {
    self.state = state
    self.milliseconds = milliseconds
  }
}

/// A move of the chain's clock.
public struct ClockNews: Codable, Sendable, Hashable {
  /// How far ahead it was moved.
  public var seconds: Int

  /// A move by so many seconds.
  public init(seconds: Int) { self.seconds = seconds }
}

/// The beginning, a token or the end of a generation.
public struct GenerationNews: Codable, Sendable, Hashable {
  /// Which of them.
  public enum State: String, Codable, Sendable { case began, token, ended, failed }

  /// A pass for a token through the blocks of one node.
  public struct Hop: Codable, Sendable, Hashable {
    /// The part that the pass went to.
    public var part: String
    /// The blocks that it went through, first-last.
    public var blocks: String
    /// From the request to its answer, in milliseconds.
    public var milliseconds: Double
    /// What of it the node computed.
    public var computeMilliseconds: Double

    /// A pass by its parts.
    public init(part: String, blocks: String, milliseconds: Double, computeMilliseconds: Double) {
      self.part = part
      self.blocks = blocks
      self.milliseconds = milliseconds
      self.computeMilliseconds = computeMilliseconds
    }
  }

  /// Counts the generations from 1 on.
  public var generation: Int
  /// Which of them.
  public var state: State
  /// The prompt, at the beginning.
  public var prompt: String?
  /// The token's place, from 0 on.
  public var index: Int?
  /// The token's id.
  public var token: Int?
  /// The text that is complete with the token; at the end what was held back until then.
  public var text: String?
  /// The token's place among the vocabulary by its score, 1 for the highest.
  public var rank: Int?
  /// Since the beginning.
  public var milliseconds: Double?
  /// The passes for the token.
  public var hops: [Hop]?
  /// Tokens that were made, at the end.
  public var tokens: Int?
  /// Why it ended: `length` or `eos`, or what failed.
  public var reason: String?

  /// News of a generation.
  public init(_ generation: Int, _ state: State) {
    self.generation = generation
    self.state = state
  }
}

/// A step of the flow that is done.
public struct CheckNews: Codable, Sendable, Hashable {
  /// What holds when the step has passed.
  public var title: String
  /// Whether it has.
  public var passed: Bool
  /// What it took.
  public var milliseconds: Double
  /// What was found, or why it failed.
  public var detail: String

  /// A step by its parts.
  public init(title: String, passed: Bool, milliseconds: Double, detail: String) {
    self.title = title
    self.passed = passed
    self.milliseconds = milliseconds
    self.detail = detail
  }
}
