public import EthereumPrimitives

/// The version of RewardPool.
enum RewardPoolVersion: Sendable {
  /// The main network's genesis pool: three words a report, four in the records; a claim does not
  /// count new coins in (plumise-contracts, `src/RewardPool.sol` at d13aa58).
  case one
  /// The newest one: five words a report, six in the records, claims by precompile 0x23 (at 6aabb4d).
  case two
}

/// The reward pool's records.
struct RewardPoolState {
  struct Epoch {
    /// Wei to distribute.
    var reward: Word = .zero
    /// Who contributed, in the order of the first reports.
    var agents: [Address] = []
    var contributions = PersistentMap<ContributionRecord>()
    var isDistributed = false

    mutating func add(_ amount: Word) { reward = reward.adding(amount, upTo: .max) }
  }

  /// The pool's balance when it was last looked at; what came since is new reward.
  var trackedBalance: Word = .zero
  var contributions = PersistentMap<ContributionRecord>()
  var pending = PersistentMap<Word>()
  var settings = RewardPoolSettings()
  /// Whether anything was claimed yet, which leaves a trace in the slot that guards against reentrancy.
  var hasPaid = false
  private var epochs: [UInt64: Epoch] = [:]

  subscript(epoch epoch: UInt64) -> Epoch {
    get { epochs[epoch] ?? Epoch() }
    set { epochs[epoch] = newValue }
  }

  /// The epochs that have anything.
  var knownEpochs: Dictionary<UInt64, Epoch>.Keys { epochs.keys }
}

/// The sums of an agent's contributions in the reward pool.
public struct ContributionRecord: Hashable, Sendable {
  /// Finished tasks.
  public var taskCount: Word = .zero
  /// Seconds in service.
  public var uptimeSeconds: Word = .zero
  /// The score of version 1.
  public var responseScore: Word = .zero
  /// Seconds since 1970: the block of the last report.
  public var lastUpdated: Word = .zero
  /// Tokens of inference.
  public var processedTokens: Word = .zero
  /// max(0, 10 000 − average latency in milliseconds), added up.
  public var averageLatencyInverse: Word = .zero

  /// The six words in the order of the ABI; version 1 has the first four.
  public var words: [Word] {
    [
      taskCount, uptimeSeconds, responseScore, lastUpdated, processedTokens, averageLatencyInverse,
    ]
  }

  /// The position of ``lastUpdated`` in ``words``.
  static let lastUpdatedIndex = 3

  /// The score of version 2 with its first weights: 40 a token, 25 a task, 20 a second, 15 a point of
  /// latency.
  public var score: Word {
    RewardPoolVersion.two.score(of: self, weights: RewardPoolVersion.two.weights)
  }

  mutating func add(_ report: ContributionRecord, at timestamp: UInt64) {
    taskCount += report.taskCount
    uptimeSeconds += report.uptimeSeconds
    responseScore += report.responseScore
    processedTokens += report.processedTokens
    averageLatencyInverse += report.averageLatencyInverse
    lastUpdated = Word(timestamp)
  }
}
