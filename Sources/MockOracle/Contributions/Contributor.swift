import EthereumClient
import EthereumPrimitives
import Logging
import MockServing
import PlumiseWire
import Synchronization

/// Reports what agents did to the reward pool, once their epoch has ended.
///
/// Each report's transaction is stored before it is sent, and sent again until it is in a block, so
/// that no contribution is lost, and none is counted twice.
actor Contributor {
  private struct Work: Hashable {
    let epoch: UInt64
    let agent: Address
  }

  /// Gas for a report, several times what one takes: the first of an agent fills fifteen slots.
  private static let gasLimit: UInt64 = 1_000_000

  nonisolated let account: OracleAccount
  nonisolated let outcomes = Journal<ContributionOutcome>()
  private let plan: ContributionPlan
  private let epoch: EpochSource
  private let reportStore: ReportStore
  private let records: ChainRecords
  private let log: (any ReportLog)?
  private let unixClock: UnixClock
  private let logger: Logger
  private var signed: [Work: StoredContribution] = [:]
  private var isReporting = false
  /// Whether what an earlier process left unsettled was restored.
  private var hasRecovered = false

  init(
    _ plan: ContributionPlan, epoch: EpochSource, reportStore: ReportStore, records: ChainRecords,
    log: (any ReportLog)?, unixClock: UnixClock, logger: Logger
  ) {
    self.plan = plan
    self.epoch = epoch
    self.reportStore = reportStore
    self.records = records
    self.log = log
    self.unixClock = unixClock
    self.logger = logger
    account = plan.account
    for stored in log?.recoveredContributions ?? [] {
      signed[Work(epoch: stored.epoch, agent: stored.agent)] = stored
      // What it says is final: a report that comes later counts for a later epoch.
      reportStore.recoverClosed(stored.epoch, of: stored.agent)
    }
  }

  /// Reports at every interval until the task is cancelled.
  func run() async {
    while !Task.isCancelled {
      await reportEndedEpochs()
      do {
        try await plan.clock.sleep(for: plan.interval)
      } catch {
        // Only the cancellation ends a sleep before its time.
        return
      }
    }
  }

  /// Reports everything that was done in epochs that have ended and is not reported yet.
  func reportEndedEpochs() async {
    guard !isReporting else { return }
    isReporting = true
    defer { isReporting = false }
    let current: UInt64
    do {
      current = try await epoch.current()
    } catch {
      logger.warning("the current epoch cannot be found out", metadata: ["reason": "\(error)"])
      return
    }
    do {
      try await recover()
    } catch {
      logger.warning("the store cannot be read", metadata: ["reason": "\(error)"])
      return
    }
    for record in reportStore.read({ $0.epochs.unsettled(before: current) }) where !Task.isCancelled
    {
      let work = Work(epoch: record.epoch, agent: record.address)
      guard let final = await reportStore.close(work.epoch, of: work.agent) else { continue }
      let score = AgentScore(final)
      var result: ContributionOutcome.Result
      do {
        result = try await report(score, of: work)
        try await (log as? any SnapshotLog)?.settle(work.epoch, of: work.agent)
        reportStore.settle(work.epoch, of: work.agent)
        if case .reported = result {
          let now = unixClock.seconds
          records.tables.withLock {
            $0.save(
              ChainTables.Contribution(
                wallet: work.agent, epoch: work.epoch, score: score, lastUpdated: now))
          }
        }
        signed[work] = nil
      } catch {
        result = .postponed(reason: "\(error)")
      }
      publish(
        ContributionOutcome(epoch: work.epoch, agent: work.agent, score: score, result: result))
    }
  }

  /// Restores what the log did not see settled.
  private func recover() async throws {
    guard !hasRecovered, let log = log as? any SnapshotLog else { return }
    let unsettled = try await log.unsettled()
    reportStore.restoreUnsettled(unsettled.epochs)
    for stored in unsettled.signed {
      signed[Work(epoch: stored.epoch, agent: stored.agent)] = stored
    }
    hasRecovered = true
  }

  private func report(
    _ score: AgentScore, of work: Work
  ) async throws -> ContributionOutcome.Result {
    let call = RewardPoolCall.reportContribution(agent: work.agent, score.contribution)
    let pool = PlumiseNetwork.Contract.rewardPool
    let receipt = try await account.inTurn { () async throws -> Receipt in
      while true {
        let stored = try await transaction(call.input, to: pool, for: work)
        if let receipt = try await account.deliver(stored.transaction, hash: stored.hash) {
          return receipt
        }
        signed[work] = nil
      }
    }
    if receipt.succeeded { return .reported(block: receipt.blockNumber) }
    return .reverted(
      reason: try await account.client.revertReason(
        of: receipt, data: call.input, gasLimit: Self.gasLimit))
  }

  /// The transaction that was signed for the work before, or a new one, which is stored.
  private func transaction(
    _ data: [UInt8], to pool: Address, for work: Work
  ) async throws -> StoredContribution {
    if let stored = signed[work] { return stored }
    let transaction = try await account.sign(data, to: pool, gasLimit: Self.gasLimit)
    let stored = StoredContribution(
      epoch: work.epoch, agent: work.agent, transaction: transaction.raw, hash: transaction.hash)
    try await log?.append(stored)
    signed[work] = stored
    return stored
  }

  private func publish(_ outcome: ContributionOutcome) {
    outcomes.record(outcome)
    let metadata: Logger.Metadata = [
      "agent": "\(outcome.agent)", "epoch": "\(outcome.epoch)", "result": "\(outcome.result)",
    ]
    if case .reported = outcome.result {
      logger.info("contribution reported", metadata: metadata)
    } else {
      logger.warning("contribution not reported", metadata: metadata)
    }
  }
}
