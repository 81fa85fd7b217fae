public import EthereumPrimitives

/// Everything that happened in a scenario, in order.
///
/// Two runs of the same scenario have the same history, byte for byte: ``text`` and ``hash`` are equal.
public struct History: Hashable, Sendable {
  /// Something that happened, and when.
  public struct Entry: Hashable, Sendable, CustomStringConvertible {
    /// The network's time, since its start.
    public let time: Duration
    /// What happened.
    public let event: HistoryEvent

    /// Notes what happened at a time.
    public init(time: Duration, event: HistoryEvent) {
      self.time = time
      self.event = event
    }

    /// One line: the microseconds since the network's start, and the event.
    public var description: String {
      let (seconds, attoseconds) = time.components
      return "\(seconds * 1_000_000 + attoseconds / 1_000_000_000_000) \(event)"
    }
  }

  /// What happened, oldest first.
  public private(set) var entries: [Entry] = []

  /// Makes an empty history.
  public init() {}

  /// The events without their times, oldest first.
  public var events: [HistoryEvent] { entries.map(\.event) }

  /// One line for each entry.
  public var text: String { entries.map { "\($0)\n" }.joined() }

  /// keccak256 of ``text``.
  public var hash: Hash32 { Keccak256.hash(text) }

  /// Adds an entry at the end.
  public mutating func append(_ event: HistoryEvent, at time: Duration) {
    entries.append(Entry(time: time, event: event))
  }
}

/// Something that happened in a scenario.
///
/// Nodes are named by their place in ``ScenarioPlan``; a *life* of a node is the time from one of its
/// starts to its end, counted from 1.
public enum HistoryEvent: Hashable, Sendable {
  /// The network is up: so many nodes share so many blocks.
  case network(nodes: Int, blocks: Int)
  /// A step of the schedule began.
  case step(Int, String)
  /// The schedule is over: what was broken is repaired, and what is under way may end.
  case settling
  /// A generation began.
  case generationBegan(Int, prompt: [Int32], maxNewTokens: Int)
  /// A generation ended; the hops are the nodes and the blocks that it went through in the end.
  case generated(Int, ids: [Int32], hops: [Hop])
  /// The caller of a generation was told why it has no more tokens than these.
  case generationFailed(Int, ids: [Int32], reason: String)
  /// What the whole model in one process, without a network, makes of a generation's prompt.
  case undisturbed(Int, ids: [Int32])
  /// A life of a node began.
  case lifeBegan(node: Int, life: Int)
  /// A life of a node ended, by a crash or by a stop; its counters were these.
  case lifeEnded(node: Int, life: Int, crashed: Bool, tokens: Int64)
  /// A node took the end of a session, and said so: its tokens count. The proof is nil for none.
  case counted(node: Int, life: Int, tokens: Int, proof: String?)
  /// The oracle answered a report of a node.
  case report(node: Int, life: Int, Report)
  /// The chain answered a transaction that an account sent.
  case transaction(Sent)
  /// The chain answered with the receipt of a transaction; whether the block was on the chain.
  case receipt(Hash32, block: UInt64, isOnChain: Bool)
  /// An agent told of something; the receipt's transaction and block where it has one.
  case agent(node: Int, String, confirmed: Confirmation?)
  /// Something did not end although time passed and nothing was broken any more.
  case unended(String)
  /// An operation of the schedule threw an error.
  case operationFailed(Int, String)
  /// What the oracle has of an agent in the end; each proof is a line.
  case oracleTotals(node: Int, tokens: Int64, reports: Int, proofs: [String])
  /// What the chain has of an agent in the end: nil without a registration, else the seconds since the
  /// agent's last heartbeat.
  case registration(node: Int, sinceHeartbeat: UInt64?)
  /// The contributions of an agent that the oracle says it reported, and those that the chain has: in
  /// tasks.
  case contribution(node: Int, reported: Word, onChain: Word)
  /// What became of the coins of an agent, in wei.
  case coins(node: Int, Coins)
  /// What became of the rewards, in wei.
  case rewards(distributed: Word, claimed: Word, pending: Word)
  /// All coins of the chain, in wei: those that there were, those made and burnt since, those there are.
  case supply(first: Word, made: Word, burnt: Word, held: Word)
  /// Whether the block of a receipt that an agent took for final is on the chain in the end.
  case final(Confirmation, isOnChain: Bool)
  /// An event of the user's own.
  case custom(String, String)

  /// A node on the way of a generation.
  public struct Hop: Hashable, Sendable {
    /// The node.
    public let node: String
    /// The blocks that it computed.
    public let blocks: Range<Int>

    /// A node and its blocks.
    public init(node: String, blocks: Range<Int>) {
      self.node = node
      self.blocks = blocks
    }
  }

  /// A report and its answer.
  public struct Report: Hashable, Sendable {
    /// Its timestamp, in unix seconds; nil for one that the oracle could not read.
    public let timestamp: Int64?
    /// The tokens that it says, of this life.
    public let tokens: Int64
    /// How many proofs it carried.
    public let proofs: Int
    /// The status of the answer.
    public let status: Int
    /// Whether the oracle took it.
    public let isAccepted: Bool

    /// A report by its parts.
    public init(timestamp: Int64?, tokens: Int64, proofs: Int, status: Int, isAccepted: Bool) {
      self.timestamp = timestamp
      self.tokens = tokens
      self.proofs = proofs
      self.status = status
      self.isAccepted = isAccepted
    }
  }

  /// A transaction and its answer.
  public struct Sent: Hashable, Sendable {
    /// Its hash.
    public let hash: Hash32
    /// The node whose agent sent it; nil for the oracle and the treasurer.
    public let node: Int?
    /// Its sender.
    public let sender: Address
    /// Its nonce.
    public let nonce: UInt64
    /// keccak256 of the recipient and the input: two with the same are the same call.
    public let call: Hash32
    /// Why the chain refused it; nil when it did not.
    public let refusal: String?

    /// A transaction by its parts.
    public init(
      hash: Hash32, node: Int?, sender: Address, nonce: UInt64, call: Hash32, refusal: String?
    ) {
      self.hash = hash
      self.node = node
      self.sender = sender
      self.nonce = nonce
      self.call = call
      self.refusal = refusal
    }
  }

  /// A transaction in a block.
  public struct Confirmation: Hashable, Sendable {
    /// The transaction.
    public let transaction: Hash32
    /// The height of the block.
    public let block: UInt64
    /// The hash of the block.
    public let blockHash: Hash32

    /// A transaction and its block.
    public init(transaction: Hash32, block: UInt64, blockHash: Hash32) {
      self.transaction = transaction
      self.block = block
      self.blockHash = blockHash
    }
  }

  /// What became of an account's coins, in wei.
  public struct Coins: Hashable, Sendable {
    /// What it had at the start.
    public let first: Word
    /// What its transactions cost.
    public let spent: Word
    /// What it was paid in rewards.
    public let claimed: Word
    /// What it has.
    public let balance: Word

    /// An account's coins.
    public init(first: Word, spent: Word, claimed: Word, balance: Word) {
      self.first = first
      self.spent = spent
      self.claimed = claimed
      self.balance = balance
    }
  }
}

extension HistoryEvent: CustomStringConvertible {
  /// One line.
  public var description: String {
    switch self {
    case .network(let nodes, let blocks): "\(nodes) nodes share \(blocks) blocks"
    case .step(let number, let text): "step \(number): \(text)"
    case .settling: "settling"
    case .generationBegan(let id, let prompt, let count):
      "generation \(id) of \(count) tokens after \(Self.list(prompt))"
    case .generated(let id, let ids, let hops):
      "generation \(id) gave \(Self.list(ids)) through "
        + hops.map { "\($0.node) \($0.blocks)" }.joined(separator: ", ")
    case .generationFailed(let id, let ids, let reason):
      "generation \(id) gave \(Self.list(ids)), then failed: \(reason)"
    case .undisturbed(let id, let ids): "generation \(id) undisturbed gives \(Self.list(ids))"
    case .lifeBegan(let node, let life): "node \(node) began life \(life)"
    case .lifeEnded(let node, let life, let crashed, let tokens):
      "node \(node) \(crashed ? "crashed" : "stopped") in life \(life) with \(tokens) tokens"
    case .counted(let node, let life, let tokens, let proof):
      "node \(node) counted \(tokens) tokens in life \(life), proof \(proof ?? "none")"
    case .report(let node, let life, let report):
      "node \(node) reported \(report.tokens) tokens and \(report.proofs) proofs in life \(life) at "
        + "\(report.timestamp.map { "\($0)" } ?? "no time"): \(report.status) "
        + (report.isAccepted ? "accepted" : "refused")
    case .transaction(let sent):
      "\(sent.sender) sent \(sent.hash) with nonce \(sent.nonce), call \(sent.call): "
        + (sent.refusal ?? "taken")
    case .receipt(let hash, let block, let isOnChain):
      "receipt of \(hash) in block \(block)\(isOnChain ? "" : ", which is not on the chain")"
    case .agent(let node, let text, let confirmed):
      "agent of node \(node): \(text)" + (confirmed.map { " \($0)" } ?? "")
    case .unended(let text): "never ended: \(text)"
    case .operationFailed(let step, let reason): "step \(step) failed: \(reason)"
    case .oracleTotals(let node, let tokens, let reports, let proofs):
      "oracle has \(tokens) tokens and \(reports) reports of node \(node), proofs "
        + proofs.joined(separator: " ")
    case .registration(let node, let since):
      "node \(node) is " + (since.map { "active since \($0) s" } ?? "not registered")
    case .contribution(let node, let reported, let onChain):
      "contribution of node \(node): \(reported) reported, \(onChain) on chain"
    case .coins(let node, let coins):
      "node \(node) had \(coins.first), spent \(coins.spent), claimed \(coins.claimed), "
        + "has \(coins.balance)"
    case .rewards(let distributed, let claimed, let pending):
      "rewards: \(distributed) distributed, \(claimed) claimed, \(pending) pending"
    case .supply(let first, let made, let burnt, let held):
      "coins: \(first) first, \(made) made, \(burnt) burnt, \(held) held"
    case .final(let confirmed, let isOnChain):
      "\(confirmed) is \(isOnChain ? "on the chain" : "not on the chain") in the end"
    case .custom(let name, let text): "\(name): \(text)"
    }
  }

  private static func list(_ ids: [Int32]) -> String {
    "[" + ids.map(String.init).joined(separator: ",") + "]"
  }
}

extension HistoryEvent.Confirmation: CustomStringConvertible {
  /// One line.
  public var description: String { "\(transaction) in block \(block) \(blockHash)" }
}
