import EthereumPrimitives
import PlumiseWire

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
