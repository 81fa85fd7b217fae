import EthereumClient
import EthereumPrimitives
import Logging
import PlumiseWire
import Synchronization

/// Contributions and distribution, as the deployed oracle makes them.
extension ChainOperator {
  /// Reports contributions when enough blocks have passed since the last run; the first look only
  /// notes the block.
  func lookForContributions() async throws {
    let block = try await client.blockNumber()
    guard lastReportBlock != 0 else {
      lastReportBlock = block
      return
    }
    guard block >= lastReportBlock, block - lastReportBlock >= plan.reportBlocks else { return }
    await reportContributions()
    lastReportBlock = block
  }

  /// Reports what each active agent has done in the current epoch so far.
  ///
  /// Tasks and uptimes are forgotten only if every agent's report got a receipt, whatever its status
  /// is.
  private func reportContributions() async {
    let agents = monitor.active
    guard !agents.isEmpty else { return }
    // What is reported meanwhile counts for the next run.
    let counts = reportStore.read { $0.agents.mapValues(\.reportCount) }
    var hasFailed = false
    for agent in agents {
      do {
        try await reportContribution(of: agent)
      } catch {
        hasFailed = true
      }
    }
    guard !hasFailed else { return }
    challenges.clear()
    reportCounts = counts
  }

  private func reportContribution(of entry: AgentMonitor.Entry) async throws {
    let agent = entry.row.wallet
    let epoch = try await client.currentEpoch()
    let score = score(of: entry, in: epoch)
    records.tables.withLock { $0.save(score: score.live, of: agent) }
    // Four arguments, whatever the pool knows; nothing is cut to its limits.
    let contribution = Contribution(
      taskCount: Word(UInt64(score.taskCount)), uptimeSeconds: Word(UInt64(score.uptimeSeconds)),
      responseScore: Word(UInt64(score.responseScore)))
    let call = RewardPoolCall.reportContribution(agent: agent, contribution)
    try await sendAndWait(
      call.input, to: PlumiseNetwork.Contract.rewardPool, .contributions, call.signature,
      agent: agent, epoch: epoch, contribution: contribution)
    // An agent that did nothing gets no heartbeat with it.
    if score.taskCount > 0 || score.processedTokens > 0 {
      let heartbeat = PrecompileCall.heartbeat(agent: agent)
      await send(
        heartbeat.input, to: heartbeat.contract.address, .contributions, "0x22", agent: agent)
    }
    let now = unixClock.seconds
    records.tables.withLock {
      $0.save(
        ChainTables.Contribution(wallet: agent, epoch: epoch, score: score, lastUpdated: now))
    }
  }

  /// What an agent's work in an epoch is worth so far: tasks are solved challenges, the uptime is the
  /// last one reported, and tokens those that it reported or proved.
  private func score(of entry: AgentMonitor.Entry, in epoch: UInt64) -> AgentScore {
    let agent = entry.row.wallet
    let (row, latest, count) = reportStore.read { ledger in
      (
        ledger.epochs.record(epoch, of: agent), ledger.epochs.latest(of: agent),
        ledger.agents[agent]?.reportCount ?? 0
      )
    }
    let (tasks, response) = challenges.score(of: entry.name)
    let accounted = row.map { AgentScore($0) }
    let proved = Int64(clamping: row?.proofs.verifiedTokens ?? 0)
    return AgentScore(
      taskCount: tasks,
      uptimeSeconds: count > reportCounts[agent] ?? 0 ? max(0, latest?.uptimeSeconds ?? 0) : 0,
      responseScore: response, processedTokens: max(accounted?.processedTokens ?? 0, proved),
      averageLatencyInverse: accounted?.averageLatencyInverse ?? 0)
  }

  /// Shares out the epoch before the current one when the epoch has grown.
  ///
  /// The first look only notes the epoch, and there is no second try.
  func lookForDistribution() async throws {
    let current = try await client.currentEpoch()
    guard current != 0 else { return }
    guard lastCheckedEpoch != 0 else {
      lastCheckedEpoch = current
      return
    }
    guard current > lastCheckedEpoch else { return }
    do {
      try await distribute(current - 1)
    } catch {
      logger.warning(
        "the epoch's rewards are not shared out",
        metadata: ["epoch": "\(current - 1)", "reason": "\(error)"])
    }
    lastCheckedEpoch = current
    for epoch in [current - 1, current] { try await synchronize(epoch: epoch) }
  }

  private func distribute(_ epoch: UInt64) async throws {
    let pool = PlumiseNetwork.Contract.rewardPool
    if try await !isDistributed(epoch) {
      // What has come in counts for the epoch that has begun, not for the one that is shared out.
      let sync = RewardPoolCall.syncRewards
      try await sendAndWait(sync.input, to: pool, .distribution, sync.signature)
      let call = RewardPoolCall.distributeRewards(epoch: Word(epoch))
      try await sendAndWait(call.input, to: pool, .distribution, call.signature, epoch: epoch)
    }
    try await synchronizeContributions(of: epoch)
  }
}
