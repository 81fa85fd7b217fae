import EVM
public import EthereumPrimitives
import PlumiseWire

/// The contract RewardPool and its ABI (Wire.md, Contracts).
enum RewardPoolContract {
  enum Function: String, ContractFunctions {
    case syncRewards = "syncRewards()"
    case reportTasks = "reportContribution(address,uint256,uint256,uint256)"
    case reportTokens = "reportContribution(address,uint256,uint256,uint256,uint256,uint256)"
    case distributeRewards = "distributeRewards(uint256)"
    case claimReward = "claimReward()"
    case claimRewardFor = "claimRewardFor(address)"
    case getPendingReward = "getPendingReward(address)"
    case pendingRewards = "pendingRewards(address)"
    case getContribution = "getContribution(address)"
    case contributions = "contributions(address)"
    case getEpochContribution = "getEpochContribution(uint256,address)"
    case getEpochAgents = "getEpochAgents(uint256)"
    case epochRewards = "epochRewards(uint256)"
    case epochDistributed = "epochDistributed(uint256)"
    case getCurrentEpoch = "getCurrentEpoch()"
    case lastTrackedBalance = "lastTrackedBalance()"
    case blocksPerEpoch = "BLOCKS_PER_EPOCH()"
    case oracle = "oracle()"
    case agentRegistry = "agentRegistry()"

    static let bySelector = makeTable()
  }

  static func run(
    _ message: Message, in execution: inout Execution
  ) throws(Revert) -> [UInt8] {
    // The contract's receive(): coins without a call are reward.
    if message.input.isEmpty { return receive(message, in: &execution) }
    guard message.value.isZero else { throw .withoutReason }
    let (function, arguments) = try Function.parse(message.input)
    switch function {
    case .syncRewards: return sync(message.recipient, in: &execution)
    case .reportTasks, .reportTokens:
      return try RewardPoolReport(arguments, withTokens: function == .reportTokens)
        .run(message, in: &execution)
    case .distributeRewards:
      return try RewardDistribution.run(message.recipient, try arguments.word(0), in: &execution)
    case .claimReward, .claimRewardFor:
      return try claim(function, arguments, message, in: &execution)
    default:
      return try read(function, arguments, execution)
    }
  }

  /// The epoch of a block; the pool is there from the first block on.
  static func epoch(_ execution: Execution) -> UInt64 {
    execution.rules.epoch(at: execution.block.number)
  }

  private static func claim(
    _ function: Function, _ arguments: ABIArguments, _ message: Message,
    in execution: inout Execution
  ) throws(Revert) -> [UInt8] {
    // Version 2 counts new coins in first: what a claim takes must not hide them.
    if execution.rules.claimsSyncFirst { _ = sync(message.recipient, in: &execution) }
    guard function == .claimRewardFor else {
      return try RewardClaim.run(agent: message.caller, pool: message.recipient, in: &execution)
    }
    let agent = try arguments.address(0)
    guard message.caller == .precompile(0x23) else { throw Revert("Only precompile 0x23") }
    return try RewardClaim.run(agent: agent, pool: message.recipient, in: &execution)
  }

  private static func receive(_ message: Message, in execution: inout Execution) -> [UInt8] {
    let epoch = epoch(execution)
    execution.state.pool[epoch: epoch].add(message.value)
    execution.state.pool.trackedBalance = execution.balance(of: message.recipient)
    execution.emit(
      .event(
        .rewardReceived, from: message.recipient,
        data: ABIResult.words([message.value, Word(epoch)])))
    return []
  }

  /// Block rewards reach the balance without a call; this counts them in.
  private static func sync(_ pool: Address, in execution: inout Execution) -> [UInt8] {
    let balance = execution.balance(of: pool)
    let tracked = execution.state.pool.trackedBalance
    guard balance > tracked else { return [] }
    let epoch = epoch(execution)
    execution.state.pool[epoch: epoch].add(balance - tracked)
    execution.state.pool.trackedBalance = balance
    execution.emit(
      .event(
        .rewardReceived, from: pool, data: ABIResult.words([balance - tracked, Word(epoch)])))
    return []
  }

  private static func read(
    _ function: Function, _ arguments: ABIArguments, _ execution: Execution
  ) throws(Revert) -> [UInt8] {
    let pool = execution.state.pool
    switch function {
    case .getPendingReward, .pendingRewards:
      return ABIResult.words([pool.pending[try arguments.address(0)] ?? .zero])
    case .getContribution, .contributions:
      let contribution = pool.contributions[try arguments.address(0)] ?? ContributionRecord()
      return ABIResult.words(contribution.words)
    case .getEpochContribution:
      let epoch = try epoch(arguments, pool)
      let contribution = epoch.contributions[try arguments.address(1)] ?? ContributionRecord()
      return ABIResult.words(contribution.words)
    case .getEpochAgents: return ABIResult.addresses(try epoch(arguments, pool).agents)
    case .epochRewards: return ABIResult.words([try epoch(arguments, pool).reward])
    case .epochDistributed: return ABIResult.bool(try epoch(arguments, pool).isDistributed)
    case .getCurrentEpoch: return ABIResult.words([Word(epoch(execution))])
    case .lastTrackedBalance: return ABIResult.words([pool.trackedBalance])
    case .blocksPerEpoch: return ABIResult.words([Word(execution.rules.blocksPerEpoch)])
    case .oracle: return ABI.word(execution.rules.rewardOracle)
    case .agentRegistry: return ABI.word(execution.rules.registryAddress)
    case .syncRewards, .reportTasks, .reportTokens, .distributeRewards, .claimReward,
      .claimRewardFor:
      preconditionFailure("\(function.rawValue) is not a view")
    }
  }

  /// The epoch that the first argument names; one beyond 64 bits is as empty as all to come.
  private static func epoch(
    _ arguments: ABIArguments, _ pool: RewardPoolState
  ) throws(Revert) -> RewardPoolState.Epoch {
    guard let number = try arguments.word(0).exactUInt64() else { return .init() }
    return pool[epoch: number]
  }
}

/// RewardPool.reportContribution in both its forms.
struct RewardPoolReport {
  static let maximumAgents = 200

  private let agent: Address
  private let report: ContributionRecord

  /// - Parameter withTokens: whether tokens and latency follow the three words of version 1.
  init(_ arguments: ABIArguments, withTokens: Bool) throws(Revert) {
    agent = try arguments.address(0)
    var report = ContributionRecord()
    report.taskCount = try arguments.word(1)
    report.uptimeSeconds = try arguments.word(2)
    report.responseScore = try arguments.word(3)
    if withTokens {
      report.processedTokens = try arguments.word(4)
      report.averageLatencyInverse = try arguments.word(5)
    }
    self.report = report
  }

  /// The requirements are in the contract's order: the first that fails names the reason.
  func run(_ message: Message, in execution: inout Execution) throws(Revert) -> [UInt8] {
    func require(_ condition: Bool, _ reason: String) throws(Revert) {
      guard condition else { throw Revert(reason) }
    }
    try require(message.caller == execution.rules.rewardOracle, "Only oracle")
    try require(report.taskCount <= 10_000, "Task count too high")
    try require(report.uptimeSeconds <= 604_800, "Uptime too high")
    try require(report.responseScore <= 1_000_000, "Response score too high")
    try require(report.processedTokens <= 100_000_000, "Processed tokens too high")
    try require(report.averageLatencyInverse <= 10_000, "Latency inv too high")
    let record = execution.state.registry[agent]
    try require(record != nil, "Agent not registered")
    let now = execution.block.timestamp
    try require(record?.isActive(at: now) ?? false, "Agent not active")

    var total = execution.state.pool.contributions[agent] ?? ContributionRecord()
    let limit = Word.max >> 128
    try require(total.taskCount + report.taskCount <= limit, "Task count overflow")
    try require(
      total.processedTokens + report.processedTokens <= limit, "Processed tokens overflow")
    total.add(report, at: now)
    execution.state.pool.contributions[agent] = total

    let number = RewardPoolContract.epoch(execution)
    var epoch = execution.state.pool[epoch: number]
    if epoch.contributions[agent] == nil {
      try require(epoch.agents.count < Self.maximumAgents, "Max agents reached")
      epoch.agents.append(agent)
    }
    var own = epoch.contributions[agent] ?? ContributionRecord()
    own.add(report, at: now)
    epoch.contributions[agent] = own
    execution.state.pool[epoch: number] = epoch
    emit(from: message.recipient, epoch: number, in: &execution)
    return []
  }

  private func emit(from pool: Address, epoch: UInt64, in execution: inout Execution) {
    let data = [
      report.taskCount, report.uptimeSeconds, report.responseScore, report.processedTokens,
      report.averageLatencyInverse, Word(epoch),
    ]
    execution.emit(
      .event(
        .contributionReported, from: pool, indexed: [agent.word], data: ABIResult.words(data)))
  }
}

/// RewardPool.distributeRewards: shares an ended epoch's reward among its agents.
enum RewardDistribution {
  static func run(
    _ pool: Address, _ epochNumber: Word, in execution: inout Execution
  ) throws(Revert) -> [UInt8] {
    guard let number = epochNumber.exactUInt64(), number < RewardPoolContract.epoch(execution)
    else { throw Revert("Epoch not ended") }
    var epoch = execution.state.pool[epoch: number]
    guard !epoch.isDistributed else { throw Revert("Already distributed") }
    guard !epoch.reward.isZero else { throw Revert("No rewards") }
    epoch.isDistributed = true
    execution.state.pool[epoch: number] = epoch

    let shares = try shares(of: epoch)
    for (agent, share) in shares {
      let pending = execution.state.pool.pending[agent] ?? .zero
      execution.state.pool.pending[agent] = pending.adding(share, upTo: .max)
    }
    // With no score at all the reward stays in the pool, and the event says so.
    let totals: [Word] =
      shares.isEmpty ? [.zero, .zero] : [epoch.reward, Word(UInt64(epoch.agents.count))]
    execution.emit(
      .event(
        .rewardsDistributed, from: pool, indexed: [Word(number)], data: ABIResult.words(totals)))
    return []
  }

  /// Each scoring agent's share, rounded down; the last one gets what is left, so that none of
  /// the reward is lost.
  private static func shares(
    of epoch: RewardPoolState.Epoch
  ) throws(Revert) -> [(agent: Address, share: Word)] {
    let scores = epoch.agents
      .map { (agent: $0, score: (epoch.contributions[$0] ?? ContributionRecord()).score) }
      .filter { !$0.score.isZero }
    let total = scores.reduce(Word.zero) { $0 + $1.score }
    var left = epoch.reward
    var shares: [(agent: Address, share: Word)] = []
    for entry in scores.dropLast() {
      let (product, overflow) = epoch.reward.multipliedReportingOverflow(by: entry.score)
      // Only a balance that a test made up is so large; Solidity panics here.
      guard !overflow else { throw .withoutReason }
      shares.append((entry.agent, product / total))
      left -= product / total
    }
    if let last = scores.last { shares.append((last.agent, left)) }
    return shares
  }
}

/// RewardPool.claimReward: pays an agent what is pending.
enum RewardClaim {
  static func run(
    agent: Address, pool: Address, in execution: inout Execution
  ) throws(Revert) -> [UInt8] {
    guard execution.state.registry.isRegistered(agent) else { throw Revert("Not registered") }
    guard let reward = execution.state.pool.pending[agent], !reward.isZero else {
      throw Revert("No rewards")
    }
    execution.state.pool.pending[agent] = nil
    guard execution.transfer(reward, from: pool, to: agent) else {
      throw Revert("Transfer failed")
    }
    execution.state.pool.trackedBalance = execution.balance(of: pool)
    execution.state.registry.update(agent) {
      $0.totalRewards = $0.totalRewards.adding(reward, upTo: .max)
    }
    execution.emit(
      .event(
        .rewardClaimed, from: pool, indexed: [agent.word], data: reward.bigEndianBytes))
    return []
  }
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
  private var epochs: [UInt64: Epoch] = [:]

  subscript(epoch epoch: UInt64) -> Epoch {
    get { epochs[epoch] ?? Epoch() }
    set { epochs[epoch] = newValue }
  }
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

  /// The six words in the order of the ABI.
  public var words: [Word] {
    [
      taskCount, uptimeSeconds, responseScore, lastUpdated, processedTokens, averageLatencyInverse,
    ]
  }

  /// The share of the epoch's reward: 40 a token, 25 a task, 20 a second, 15 a point of latency.
  public var score: Word {
    processedTokens * 40 + taskCount * 25 + uptimeSeconds * 20 + averageLatencyInverse * 15
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
