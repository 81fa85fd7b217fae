import EthereumPrimitives
import PlumiseWire

/// What the deployed oracle's tables hold of the chain: agents, epochs, contributions and challenges.
///
/// They are in memory alone, and filled by what the oracle does on the chain by itself.
struct ChainTables: Sendable {
  /// A row of the table of agents.
  struct Agent: Sendable, Hashable {
    let wallet: Address
    var nodeID = ""
    var metadata = ""
    /// Unix seconds, likewise the next two.
    var registeredAt: Int64
    var lastHeartbeat: Int64
    var updatedAt: Int64
    /// The column says 0 inactive, 1 active, 2 slashed; AgentRegistry's enum begins with active.
    var status: Int
    var stake: Word = .zero
  }

  /// A row of the table of epochs.
  struct Epoch: Sendable, Hashable {
    let number: UInt64
    var reward: Word
    var agentCount: Int
    var isDistributed: Bool
    /// When the row was made, in unix seconds.
    var syncedAt: Int64
  }

  /// A row of the table of contributions.
  struct Contribution: Sendable, Hashable {
    let wallet: Address
    let epoch: UInt64
    var score: AgentScore
    /// Unix seconds.
    var lastUpdated: Int64
  }

  /// A row of the table of challenges.
  struct Challenge: Sendable, Hashable {
    let id: UInt64
    var difficulty: UInt64
    var seed: Hash32
    /// Unix seconds, likewise the end.
    var createdAt: UInt64
    var expiresAt: UInt64
    var isSolved: Bool
    var solver: Address?
    var rewardBonus: Word
    /// When the row was made, in unix seconds.
    var syncedAt: Int64
  }

  /// The network in sum, as it was found last.
  struct Statistics: Sendable, Hashable {
    var blockNumber: UInt64
    var activeAgents: Int
    var totalAgents: Int
    var currentEpoch: UInt64
    /// Unix seconds.
    var updatedAt: Int64
  }

  /// How many rows are kept of each table; the oldest epochs and challenges are removed first.
  static let capacity = 20_000

  private(set) var agents: [Address: Agent] = [:]
  private(set) var epochs: [UInt64: Epoch] = [:]
  private(set) var challenges: [UInt64: Challenge] = [:]
  private var contributions: [UInt64: [Address: Contribution]] = [:]
  private var contributionCount = 0
  /// What each node's work was worth in the last run of contributions.
  private(set) var scores: [Address: Double] = [:]
  /// What each agent was seen to claim from the reward pool, in wei.
  private(set) var claims: [Address: Word] = [:]
  var statistics: Statistics?

  /// Adds or renews a row.
  /// - Parameter keepsHeartbeat: whether a later heartbeat that the row has stays.
  mutating func save(_ agent: Agent, keepsHeartbeat: Bool = false) {
    guard agents[agent.wallet] != nil || agents.count < Self.capacity else { return }
    var agent = agent
    if keepsHeartbeat, let known = agents[agent.wallet] {
      agent.lastHeartbeat = max(agent.lastHeartbeat, known.lastHeartbeat)
    }
    agents[agent.wallet] = agent
  }

  /// Books that an account was registered or sent a heartbeat on the chain.
  /// - Parameters:
  ///   - name: the name that it was registered by; nil for a heartbeat.
  ///   - time: when the block was made, in unix seconds.
  ///   - now: unix seconds.
  mutating func book(
    _ wallet: Address, registeredAs name: String?, seenAt time: Int64, at now: Int64
  ) {
    var agent =
      agents[wallet]
      ?? Agent(
        wallet: wallet, metadata: name ?? "", registeredAt: time, lastHeartbeat: time,
        updatedAt: now, status: 1)
    agent.lastHeartbeat = max(agent.lastHeartbeat, time)
    agent.updatedAt = now
    save(agent)
  }

  /// Books that an agent claimed a reward.
  mutating func bookClaim(of amount: Word, by agent: Address) {
    guard claims[agent] != nil || claims.count < Self.capacity else { return }
    let (sum, overflows) = (claims[agent] ?? .zero).addingReportingOverflow(amount)
    claims[agent] = overflows ? .max : sum
  }

  /// Adds or renews a row; the time at which it was made stays.
  mutating func save(_ epoch: Epoch) {
    var epoch = epoch
    epoch.syncedAt = epochs[epoch.number]?.syncedAt ?? epoch.syncedAt
    epochs[epoch.number] = epoch
    if epochs.count > Self.capacity { epochs = epochs.filter { $0.key != epochs.keys.min() } }
  }

  /// Adds or renews a row; the time at which it was made stays.
  mutating func save(_ challenge: Challenge) {
    var challenge = challenge
    challenge.syncedAt = challenges[challenge.id]?.syncedAt ?? challenge.syncedAt
    challenges[challenge.id] = challenge
    if challenges.count > Self.capacity {
      challenges = challenges.filter { $0.key != challenges.keys.min() }
    }
  }

  mutating func save(_ contribution: Contribution) {
    let key = (contribution.epoch, contribution.wallet)
    if contributions[key.0, default: [:]].updateValue(contribution, forKey: key.1) == nil {
      contributionCount += 1
    }
    while contributionCount > Self.capacity, contributions.count > 1,
      let oldest = contributions.keys.min()
    {
      contributionCount -= contributions.removeValue(forKey: oldest)?.count ?? 0
    }
  }

  mutating func save(score: Double, of agent: Address) {
    guard scores[agent] != nil || scores.count < Self.capacity else { return }
    scores[agent] = score
  }

  /// An agent's contributions, latest epoch first.
  func contributions(of agent: Address) -> [Contribution] {
    contributions.values.compactMap { $0[agent] }.sorted { $0.epoch > $1.epoch }
  }

  /// The contributions to an epoch, most tasks first.
  func contributions(to epoch: UInt64) -> [Contribution] {
    (contributions[epoch] ?? [:]).values.sorted {
      (-$0.score.taskCount, $0.wallet) < (-$1.score.taskCount, $1.wallet)
    }
  }

  /// The epochs that anything was contributed to, earliest first.
  var contributedEpochs: [UInt64] { contributions.keys.sorted() }
}

/// How the deployed oracle estimates what agents earned: an epoch's reward in proportion to a weight of
/// its own, which is no contract's.
extension ChainTables {
  /// What an agent has earned by the estimate, in all epochs whose rewards are known.
  struct Earnings: Sendable, Hashable {
    let wallet: Address
    var reward: Word = .zero
    var epochCount = 0
    var taskCount: Int64 = 0
    var processedTokens: Int128 = 0
    var uptimeSeconds: Int64 = 0
  }

  /// Every agent's earnings, the greatest first.
  var earnings: [Earnings] {
    var earnings: [Address: Earnings] = [:]
    for number in contributedEpochs {
      guard let epoch = epochs[number] else { continue }
      let contributions = contributions(to: number)
      let total = Self.totalWeight(of: contributions)
      guard !total.isZero else { continue }
      for contribution in contributions {
        var sum = earnings[contribution.wallet] ?? Earnings(wallet: contribution.wallet)
        sum.reward = sum.reward + Self.share(of: contribution, in: epoch.reward, total: total)
        sum.epochCount += 1
        sum.taskCount = sum.taskCount.addingSaturated(contribution.score.taskCount)
        sum.processedTokens += Int128(contribution.score.processedTokens)
        sum.uptimeSeconds = sum.uptimeSeconds.addingSaturated(contribution.score.uptimeSeconds)
        earnings[contribution.wallet] = sum
      }
    }
    return earnings.values.sorted {
      $0.reward == $1.reward ? $0.wallet < $1.wallet : $0.reward > $1.reward
    }
  }

  /// What a contribution earned by the estimate; nothing in an epoch whose reward is not known.
  func estimatedReward(of contribution: Contribution) -> Word {
    guard let epoch = epochs[contribution.epoch] else { return .zero }
    let total = Self.totalWeight(of: contributions(to: contribution.epoch))
    return total.isZero ? .zero : Self.share(of: contribution, in: epoch.reward, total: total)
  }

  private static func share(of contribution: Contribution, in reward: Word, total: Word) -> Word {
    let weight = weight(of: contribution.score)
    let (product, overflows) = reward.multipliedReportingOverflow(by: weight)
    return overflows ? reward / total * weight : product / total
  }

  private static func totalWeight(of contributions: [Contribution]) -> Word {
    contributions.reduce(.zero) { $0 + weight(of: $1.score) }
  }

  /// 40 a token, 25·10¹⁴ a task, 20·10¹⁰ a second, 15·10¹⁰ a point of latency.
  private static func weight(of score: AgentScore) -> Word {
    func word(_ count: Int64) -> Word { Word(UInt64(max(0, count))) }
    return word(score.processedTokens) * 40 + word(score.taskCount) * 2_500_000_000_000_000
      + word(score.uptimeSeconds) * 200_000_000_000
      + word(score.averageLatencyInverse) * 150_000_000_000
  }
}
