import EVM
import EthereumPrimitives
import PlumiseWire

/// The contract RewardPool and its ABI (Wire.md, Contracts).
enum RewardPoolContract {
  private static let firstVersion = ContractFunctions(common)
  private static let secondVersion = ContractFunctions(common.merging(additions) { $1 })

  /// The functions of both versions.
  private static let common = views.merging(changes) { $1 }.merging(settings) { $1 }
    .merging(constants) { $1 }

  private static let changes: [String: ContractFunction] = [
    "syncRewards()": { message, _, execution in sync(message.recipient, in: execution) },
    "reportContribution(address,uint256,uint256,uint256)": {
      message, arguments, execution throws(Revert) in
      try RewardPoolReport(arguments, withTokens: false).run(message, in: execution)
    },
    "distributeRewards(uint256)": { message, arguments, execution throws(Revert) in
      try RewardDistribution.run(message.recipient, try arguments.word(0), in: execution)
    },
    "claimReward()": { message, _, execution throws(Revert) in
      syncBeforeClaim(message.recipient, in: execution)
      return try RewardClaim.run(agent: message.caller, pool: message.recipient, in: execution)
    },
  ]

  /// The functions that version 2 has in addition.
  private static let additions: [String: ContractFunction] = [
    "reportContribution(address,uint256,uint256,uint256,uint256,uint256)": {
      message, arguments, execution throws(Revert) in
      try RewardPoolReport(arguments, withTokens: true).run(message, in: execution)
    },
    "claimRewardFor(address)": { message, arguments, execution throws(Revert) in
      syncBeforeClaim(message.recipient, in: execution)
      let agent = try arguments.address(0)
      guard message.caller == .precompile(0x23) else { throw Revert("Only precompile 0x23") }
      return try RewardClaim.run(agent: agent, pool: message.recipient, in: execution)
    },
  ]

  private static let views: [String: ContractFunction] = [
    "getPendingReward(address)": pendingReward,
    "pendingRewards(address)": pendingReward,
    "getContribution(address)": contribution,
    "contributions(address)": contribution,
    "getEpochContribution(uint256,address)": { _, arguments, execution throws(Revert) in
      let epoch = try epoch(arguments, execution)
      let contribution = epoch.contributions[try arguments.address(1)] ?? ContributionRecord()
      return words(contribution, execution)
    },
    "getEpochAgents(uint256)": { _, arguments, execution throws(Revert) in
      ABIResult.addresses(try epoch(arguments, execution).agents)
    },
    "epochRewards(uint256)": { _, arguments, execution throws(Revert) in
      ABIResult.words([try epoch(arguments, execution).reward])
    },
    "epochDistributed(uint256)": { _, arguments, execution throws(Revert) in
      ABIResult.bool(try epoch(arguments, execution).isDistributed)
    },
    "getCurrentEpoch()": { _, _, execution in ABIResult.words([Word(epoch(execution))]) },
    "lastTrackedBalance()": { _, _, execution in
      ABIResult.words([execution.state.pool.trackedBalance])
    },
    "BLOCKS_PER_EPOCH()": { _, _, execution in
      ABIResult.words([Word(execution.rules.blocksPerEpoch)])
    },
  ]

  static func run(_ message: Message, in execution: Execution) throws(Revert) -> [UInt8] {
    // The contract's receive(): coins without a call are reward.
    if message.input.isEmpty { return receive(message, in: execution) }
    switch execution.rules.rewardPoolVersion {
    case .one: return try firstVersion.run(message, in: execution)
    case .two: return try secondVersion.run(message, in: execution)
    }
  }

  /// Pays an agent what is pending, as precompile 0x23 has it done.
  static func claim(
    for agent: Address, pool: Address, in execution: Execution
  ) throws(Revert) -> [UInt8] {
    syncBeforeClaim(pool, in: execution)
    return try RewardClaim.run(agent: agent, pool: pool, in: execution)
  }

  /// The epoch of a block; the pool is there from the first block on.
  static func epoch(_ execution: Execution) -> UInt64 {
    execution.rules.epoch(at: execution.block.number)
  }

  /// Version 2 counts new coins in first: what a claim takes must not hide them.
  private static func syncBeforeClaim(_ pool: Address, in execution: Execution) {
    let rules = execution.rules
    guard rules.rewardPoolVersion == .two, rules.claimsSyncFirst else { return }
    _ = sync(pool, in: execution)
  }

  private static func receive(_ message: Message, in execution: Execution) -> [UInt8] {
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
  private static func sync(_ pool: Address, in execution: Execution) -> [UInt8] {
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

  @Sendable private static func pendingReward(
    _: Message, _ arguments: ABIArguments, _ execution: Execution
  ) throws(Revert) -> [UInt8] {
    ABIResult.words([execution.state.pool.pending[try arguments.address(0)] ?? .zero])
  }

  @Sendable private static func contribution(
    _: Message, _ arguments: ABIArguments, _ execution: Execution
  ) throws(Revert) -> [UInt8] {
    let contribution = execution.state.pool.contributions[try arguments.address(0)]
    return words(contribution ?? ContributionRecord(), execution)
  }

  private static func words(
    _ contribution: ContributionRecord, _ execution: Execution
  ) -> [UInt8] {
    let words = contribution.words
    return ABIResult.words(
      execution.rules.rewardPoolVersion == .one ? Array(words.prefix(4)) : words)
  }

  /// The epoch that the first argument names; one beyond 64 bits is as empty as all to come.
  private static func epoch(
    _ arguments: ABIArguments, _ execution: Execution
  ) throws(Revert) -> RewardPoolState.Epoch {
    guard let number = try arguments.word(0).exactUInt64() else { return .init() }
    return execution.state.pool[epoch: number]
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
  func run(_ message: Message, in execution: Execution) throws(Revert) -> [UInt8] {
    func require(_ condition: Bool, _ reason: String) throws(Revert) {
      guard condition else { throw Revert(reason) }
    }
    try require(message.caller == execution.poolOracle, "Only oracle")
    try require(report.taskCount <= 10_000, "Task count too high")
    try require(report.uptimeSeconds <= 604_800, "Uptime too high")
    try require(report.responseScore <= 1_000_000, "Response score too high")
    try require(report.processedTokens <= 100_000_000, "Processed tokens too high")
    try require(report.averageLatencyInverse <= 10_000, "Latency inv too high")
    if !execution.state.pool.settings.bypassesRegistry {
      try execution.requireOwnRegistry()
      try require(execution.isRegistered(agent), "Agent not registered")
      try require(execution.isActive(agent), "Agent not active")
    }
    let now = execution.block.timestamp

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
    emit(from: message.recipient, epoch: number, in: execution)
    return []
  }

  private func emit(from pool: Address, epoch: UInt64, in execution: Execution) {
    let first = [report.taskCount, report.uptimeSeconds, report.responseScore]
    switch execution.rules.rewardPoolVersion {
    case .one:
      execution.emit(
        .event(
          "ContributionReported(address,uint256,uint256,uint256,uint256)", from: pool,
          indexed: [agent.word], data: ABIResult.words(first + [Word(epoch)])))
    case .two:
      let data = first + [report.processedTokens, report.averageLatencyInverse, Word(epoch)]
      execution.emit(
        .event(
          .contributionReported, from: pool, indexed: [agent.word], data: ABIResult.words(data)))
    }
  }
}

/// RewardPool.distributeRewards: shares an ended epoch's reward among its agents.
enum RewardDistribution {
  static func run(
    _ pool: Address, _ epochNumber: Word, in execution: Execution
  ) throws(Revert) -> [UInt8] {
    guard let number = epochNumber.exactUInt64(), number < RewardPoolContract.epoch(execution)
    else { throw Revert("Epoch not ended") }
    var epoch = execution.state.pool[epoch: number]
    guard !epoch.isDistributed else { throw Revert("Already distributed") }
    guard !epoch.reward.isZero else { throw Revert("No rewards") }
    epoch.isDistributed = true
    execution.state.pool[epoch: number] = epoch

    let shares = try shares(of: epoch, in: execution)
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
    of epoch: RewardPoolState.Epoch, in execution: Execution
  ) throws(Revert) -> [(agent: Address, share: Word)] {
    let (version, weights) = (execution.rules.rewardPoolVersion, execution.poolWeights)
    let scores = epoch.agents
      .map { agent in
        let record = epoch.contributions[agent] ?? ContributionRecord()
        return (agent: agent, score: version.score(of: record, weights: weights))
      }
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
    agent: Address, pool: Address, in execution: Execution
  ) throws(Revert) -> [UInt8] {
    try execution.requireOwnRegistry()
    guard execution.isRegistered(agent) else { throw Revert("Not registered") }
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
