public import EthereumPrimitives
public import PlumiseWire

/// Something that the deployed oracle does on the chain by itself, with its own account.
public enum ChainOperation: String, Sendable, Hashable, CaseIterable {
  /// Finds out, every 30 s, which agents are active, sums up the network, and books the registrations,
  /// heartbeats and claims of new blocks.
  case monitoring
  /// Registers a node that joins and is not on the chain (0x21 with a beneficiary).
  case registration
  /// Sends a heartbeat for each member of a pipeline, in minutes that are divisible by 5 (0x22).
  case heartbeats
  /// Reports each active agent's contribution to the reward pool, when 1200 blocks have passed since
  /// the last run; it looks every 60 s.
  case contributions
  /// Shares out the epoch before the current one, when the epoch has grown; it looks every 60 s.
  case distribution
  /// Claims the pending rewards of all active nodes, every 3600 s (0x23).
  case claims
  /// Opens a challenge where none is open, every 600 s, with ``ChainOperationsPlan/challengeManager``.
  case challenges
}

/// What became of one transaction that the oracle would send by itself.
public struct ChainOperationOutcome: Sendable, Hashable, CustomStringConvertible {
  /// The ways in which it can end.
  public enum Result: Sendable, Hashable, CustomStringConvertible {
    /// It is in a block; whether its call went through is not looked at by the deployed oracle.
    case mined(Hash32, succeeded: Bool)
    /// It was sent, and its receipt is not waited for.
    case sent(Hash32)
    /// Nothing was sent, or nothing came back: the chain is away, or the estimate of the gas was
    /// reverted for this reason.
    case failed(reason: String)

    /// One line: what happened.
    public var description: String {
      switch self {
      case .mined(let hash, let succeeded): "\(hash) \(succeeded ? "succeeded" : "was reverted")"
      case .sent(let hash): "\(hash) was sent"
      case .failed(let reason): "failed: \(reason)"
      }
    }
  }

  /// What the transaction is for.
  public let operation: ChainOperation
  /// The function that is called, in the contract's words; the number of a precompile, such as `0x22`.
  public let call: String
  /// The agent that it is about; nil where it is about none.
  public let agent: Address?
  /// The epoch that it is about; nil where it is about none.
  public let epoch: UInt64?
  /// What is reported of the agent, where a contribution is.
  public let contribution: Contribution?
  /// What became of it.
  public let result: Result

  /// One line: what was done and what became of it.
  public var description: String {
    let subject = agent.map { " for \($0)" } ?? epoch.map { " of epoch \($0)" } ?? ""
    return "\(operation.rawValue): \(call)\(subject): \(result)"
  }
}

/// With which account, and how often, the oracle does on the chain what the deployed one does by
/// itself.
public struct ChainOperationsPlan: Sendable {
  /// The account that sends; the reward pool must know it as its oracle.
  public let account: OracleAccount
  /// What is done.
  public var operations: Set<ChainOperation>
  /// How many blocks lie between two runs of contributions (`REPORT_INTERVAL_BLOCKS`).
  public var reportBlocks: UInt64
  /// The pause between two looks at the challenges (`CHALLENGE_INTERVAL_MS`).
  public var challengeInterval: Duration
  /// The registry whose active agents are monitored; nil for none.
  public var agentRegistry: Address?
  /// The address of the contract of the challenges; without one there are none.
  public var challengeManager: Address?
  /// Whether no challenge is tried while no contract is at that address.
  public var awaitsChallengeManager: Bool
  /// What the pauses are measured on.
  public var clock: any Clock<Duration>

  /// Makes a plan; by default everything is done but challenges, which need their contract's address.
  public init(
    account: OracleAccount, operations: Set<ChainOperation> = Set(ChainOperation.allCases),
    reportBlocks: UInt64 = PlumiseNetwork.epochBlocks,
    challengeInterval: Duration = .seconds(600),
    agentRegistry: Address? = PlumiseNetwork.Contract.agentRegistry,
    challengeManager: Address? = nil, awaitsChallengeManager: Bool = false,
    clock: any Clock<Duration> = ContinuousClock()
  ) {
    precondition(challengeInterval > .zero, "an interval of \(challengeInterval)")
    self.account = account
    self.operations = operations
    self.reportBlocks = reportBlocks
    self.challengeInterval = challengeInterval
    self.agentRegistry = agentRegistry
    self.challengeManager = challengeManager
    self.awaitsChallengeManager = awaitsChallengeManager
    self.clock = clock
  }
}
