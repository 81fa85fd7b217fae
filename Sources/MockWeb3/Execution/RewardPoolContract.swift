import EVM
import EthereumPrimitives
import PlumiseWire

/// The contract RewardPool and its ABI (Wire.md, Contracts).
enum RewardPoolContract {
  private static let firstVersion = ContractFunctions(
    common.merging(weights("taskWeight", "uptimeWeight", "responseWeight")) { $1 })
  private static let secondVersion = ContractFunctions(
    common.merging(additions) { $1 }.merging(addedConstants) { $1 }
      .merging(weights("tokenWeight", "taskWeight", "uptimeWeight", "latencyWeight")) { $1 })

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
      execution.update(.reentrancyGuard, RewardPoolSlot.guardIsTaken)
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
      execution.update(.reentrancyGuard, RewardPoolSlot.guardIsTaken)
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
    "getEpochContribution(uint256,address)": epochContribution,
    "epochContributions(uint256,address)": epochContribution,
    "getEpochAgents(uint256)": { _, arguments, execution throws(Revert) in
      let number = try epochNumber(arguments)
      let agents = execution.state.pool[epoch: number].agents
      execution.read(.epochAgentCount(number))
      for index in agents.indices { execution.read(.epochAgent(number, index)) }
      return ABIResult.addresses(agents)
    },
    "epochAgents(uint256,uint256)": { _, arguments, execution throws(Revert) in
      let number = try epochNumber(arguments)
      let agents = execution.state.pool[epoch: number].agents
      execution.read(.epochAgentCount(number))
      guard let index = try arguments.word(1).exactUInt64(), index < UInt64(agents.count) else {
        throw .withoutReason
      }
      execution.read(.epochAgent(number, Int(index)))
      return ABI.word(agents[Int(index)])
    },
    "epochAgentExists(uint256,address)": slot { arguments, _ throws(Revert) in
      .isEpochAgent(try epochNumber(arguments), try arguments.address(1))
    },
    "epochRewards(uint256)": slot { arguments, _ throws(Revert) in
      .epochReward(try epochNumber(arguments))
    },
    "epochDistributed(uint256)": slot { arguments, _ throws(Revert) in
      .isDistributed(try epochNumber(arguments))
    },
    "getCurrentEpoch()": { _, _, execution in ABIResult.words([Word(epoch(execution))]) },
    "currentEpoch()": slot { _, _ in .currentEpoch },
    "deployBlock()": slot { _, _ in .deployBlock },
    "lastTrackedBalance()": slot { _, _ in .trackedBalance },
    "BLOCKS_PER_EPOCH()": { _, _, execution in
      ABIResult.words([Word(execution.rules.blocksPerEpoch)])
    },
  ]

  static func run(_ message: Message, in execution: Execution) throws(Revert) -> [UInt8] {
    execution.add(RewardPoolGas.instructions(of: message))
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
    // Once to compare with the block's number, and once to subtract from it.
    execution.read(.deployBlock, times: execution.block.number > 0 ? 2 : 1)
    return execution.rules.epoch(at: execution.block.number)
  }

  /// Version 2 counts new coins in first: what a claim takes must not hide them.
  private static func syncBeforeClaim(_ pool: Address, in execution: Execution) {
    let rules = execution.rules
    guard rules.rewardPoolVersion == .two, rules.claimsSyncFirst else { return }
    _ = sync(pool, in: execution)
  }

  private static func receive(_ message: Message, in execution: Execution) -> [UInt8] {
    let epoch = epoch(execution)
    let balance = execution.balance(of: message.recipient)
    credit(message.value, to: epoch, balance: balance, in: execution)
    execution.emitPaid(
      .event(
        .rewardReceived, from: message.recipient,
        data: ABIResult.words([message.value, Word(epoch)])))
    return []
  }

  /// Block rewards reach the balance without a call; this counts them in.
  private static func sync(_ pool: Address, in execution: Execution) -> [UInt8] {
    let balance = execution.balance(of: pool)
    let tracked = execution.state.pool.trackedBalance
    execution.read(.trackedBalance)
    guard balance > tracked else { return [] }
    execution.read(.trackedBalance)
    let epoch = epoch(execution)
    credit(balance - tracked, to: epoch, balance: balance, in: execution)
    execution.emitPaid(
      .event(
        .rewardReceived, from: pool, data: ABIResult.words([balance - tracked, Word(epoch)])))
    return []
  }

  /// Adds coins to an epoch's reward, and notes the balance.
  private static func credit(
    _ amount: Word, to epoch: UInt64, balance: Word, in execution: Execution
  ) {
    var record = execution.state.pool[epoch: epoch]
    record.add(amount)
    execution.update(.epochReward(epoch), record.reward)
    execution.write(.trackedBalance, balance)
    execution.state.pool[epoch: epoch] = record
    execution.state.pool.trackedBalance = balance
  }

  private static let pendingReward = slot { arguments, _ throws(Revert) in
    .pending(try arguments.address(0))
  }

  private static let contribution = words { arguments throws(Revert) in
    let agent = try arguments.address(0)
    return { .contribution(agent, $0) }
  }

  private static let epochContribution = words { arguments throws(Revert) in
    let (epoch, agent) = (try epochNumber(arguments), try arguments.address(1))
    return { .epochContribution(epoch, agent, $0) }
  }

  /// A getter of the words of a contribution.
  private static func words(
    _ slot: @escaping @Sendable (ABIArguments) throws(Revert) -> (Int) -> RewardPoolSlot
  ) -> ContractFunction {
    { _, arguments, execution throws(Revert) in
      let slot = try slot(arguments)
      let slots = (0..<execution.rules.rewardPoolVersion.wordCount).map(slot)
      for slot in slots { execution.read(slot) }
      return ABIResult.words(
        slots.map { $0.value(in: execution.state.pool, rules: execution.rules) })
    }
  }

  /// The epoch that the first argument names; one beyond 64 bits is as empty as the last that fits.
  private static func epochNumber(_ arguments: ABIArguments) throws(Revert) -> UInt64 {
    try arguments.word(0).exactUInt64() ?? .max
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
    execution.read(.oracle)
    try require(message.caller == execution.poolOracle, "Only oracle")
    try require(report.taskCount <= 10_000, "Task count too high")
    try require(report.uptimeSeconds <= 604_800, "Uptime too high")
    try require(report.responseScore <= 1_000_000, "Response score too high")
    try require(report.processedTokens <= 100_000_000, "Processed tokens too high")
    try require(report.averageLatencyInverse <= 10_000, "Latency inv too high")
    execution.read(.bypass)
    if !execution.state.pool.settings.bypassesRegistry {
      try require(try execution.askIsRegistered(agent), "Agent not registered")
      try require(try execution.askIsActive(agent), "Agent not active")
    }
    let now = execution.block.timestamp
    let number = RewardPoolContract.epoch(execution)

    var total = execution.state.pool.contributions[agent] ?? ContributionRecord()
    let limit = Word.max >> 128
    if execution.rules.rewardPoolVersion == .two {
      execution.read(.contribution(agent, 0))
      execution.read(.contribution(agent, 4))
    }
    try require(total.taskCount + report.taskCount <= limit, "Task count overflow")
    try require(
      total.processedTokens + report.processedTokens <= limit, "Processed tokens overflow")
    total.add(report, at: now)
    pay(for: total, in: execution) { .contribution(agent, $0) }
    execution.state.pool.contributions[agent] = total

    var epoch = execution.state.pool[epoch: number]
    execution.read(.isEpochAgent(number, agent))
    if epoch.contributions[agent] == nil {
      let count = epoch.agents.count
      execution.read(.epochAgentCount(number))
      try require(count < Self.maximumAgents, "Max agents reached")
      execution.update(.epochAgentCount(number), Word(UInt64(count + 1)))
      execution.update(.epochAgent(number, count), agent.word)
      execution.update(.isEpochAgent(number, agent), 1)
      epoch.agents.append(agent)
    }
    var own = epoch.contributions[agent] ?? ContributionRecord()
    own.add(report, at: now)
    pay(for: own, in: execution) { .epochContribution(number, agent, $0) }
    epoch.contributions[agent] = own
    execution.state.pool[epoch: number] = epoch
    emit(from: message.recipient, epoch: number, in: execution)
    return []
  }

  /// Pays for the words of a record: all are added to, but for the time, which is replaced.
  private func pay(
    for record: ContributionRecord, in execution: Execution, _ slot: (Int) -> RewardPoolSlot
  ) {
    let words = record.words.prefix(execution.rules.rewardPoolVersion.wordCount)
    for (index, word) in words.enumerated() {
      if index != ContributionRecord.lastUpdatedIndex { execution.read(slot(index)) }
      execution.write(slot(index), word)
    }
  }

  private func emit(from pool: Address, epoch: UInt64, in execution: Execution) {
    let first = [report.taskCount, report.uptimeSeconds, report.responseScore]
    switch execution.rules.rewardPoolVersion {
    case .one:
      execution.emitPaid(
        .event(
          "ContributionReported(address,uint256,uint256,uint256,uint256)", from: pool,
          indexed: [agent.word], data: ABIResult.words(first + [Word(epoch)])))
    case .two:
      let data = first + [report.processedTokens, report.averageLatencyInverse, Word(epoch)]
      execution.emitPaid(
        .event(
          .contributionReported, from: pool, indexed: [agent.word], data: ABIResult.words(data)))
    }
  }
}
