import EthereumClient
import EthereumPrimitives
import Logging
import MockServing
import PlumiseWire

/// Does on the chain what the deployed oracle does by itself, with the failures that it has there.
///
/// Each operation is a function, which a test may call; ``run()`` calls them at their intervals.
actor ChainOperator {
  nonisolated let plan: ChainOperationsPlan
  nonisolated let outcomes = Journal<ChainOperationOutcome>()
  let profile: OracleProfile
  let records: ChainRecords
  let registry: OracleRegistry
  let reportStore: ReportStore
  let unixClock: UnixClock
  let logger: Logger
  var monitor: AgentMonitor
  var challenges: SolvedChallenges
  /// The block of the last run of contributions; 0 before the first look.
  var lastReportBlock: UInt64 = 0
  /// The epoch at the last look at the distribution; 0 before the first.
  var lastCheckedEpoch: UInt64 = 0
  /// How many reports each agent had sent when the uptimes were cleared last.
  var reportCounts: [Address: Int] = [:]
  /// The block after the last one whose events were read; nil before the first look.
  var nextEventBlock: UInt64?
  /// The block after the last one that was looked through; nil before the first look.
  var nextBlock: UInt64?
  var currentChallenge: ChainTables.Challenge?
  private var running: Set<ChainOperation> = []

  var client: EthereumClient { plan.account.client }

  init(
    _ plan: ChainOperationsPlan, profile: OracleProfile, records: ChainRecords,
    registry: OracleRegistry, reportStore: ReportStore, unixClock: UnixClock, logger: Logger
  ) {
    self.plan = plan
    self.profile = profile
    self.records = records
    self.registry = registry
    self.reportStore = reportStore
    self.unixClock = unixClock
    self.logger = logger
    monitor = AgentMonitor(profile: profile)
    challenges = SolvedChallenges(profile: profile)
    // Uptimes that an earlier process was told are forgotten.
    reportCounts = reportStore.read { $0.agents.mapValues(\.reportCount) }
  }

  /// Does everything at its intervals until the task is cancelled.
  nonisolated func run() async {
    await withTaskGroup { group in
      for operation in ChainOperation.allCases where plan.operations.contains(operation) {
        // Registrations are made when a node asks for one.
        guard operation != .registration else { continue }
        group.addTask { await self.repeatOperation(operation) }
      }
    }
  }

  private nonisolated func repeatOperation(_ operation: ChainOperation) async {
    while !Task.isCancelled {
      do {
        try await plan.clock.sleep(for: pause(before: operation))
      } catch {
        // Only the cancellation ends a sleep before its time.
        return
      }
      await perform(operation)
    }
  }

  private nonisolated func pause(before operation: ChainOperation) -> Duration {
    switch operation {
    case .monitoring, .registration: .seconds(30)
    case .contributions, .distribution: .seconds(60)
    case .claims: .seconds(3600)
    case .challenges: plan.challengeInterval
    // At the next minute that is divisible by 5.
    case .heartbeats: .seconds(300 - (unixClock.seconds % 300 + 300) % 300)
    }
  }

  /// Does an operation now, if the plan has it and it is not being done.
  func perform(_ operation: ChainOperation) async {
    guard plan.operations.contains(operation), running.insert(operation).inserted else { return }
    defer { running.remove(operation) }
    do {
      switch operation {
      case .monitoring: try await monitorAgents()
      case .registration: break
      case .heartbeats: await sendHeartbeats()
      case .contributions: try await lookForContributions()
      case .distribution: try await lookForDistribution()
      case .claims: await claimRewards()
      case .challenges: try await lookForChallenges()
      }
    } catch {
      logger.warning(
        "an operation on the chain failed",
        metadata: ["operation": "\(operation.rawValue)", "reason": "\(error)"])
    }
  }

  // MARK: - Heartbeats and claims

  /// Sends a heartbeat for each agent that has a row in a pipeline that was renewed within ten minutes.
  private func sendHeartbeats() async {
    let now = unixClock.seconds
    for agent in registry.read({ $0.pipeline.members(at: now) }) {
      let call = PrecompileCall.heartbeat(agent: agent)
      await send(
        call.input, to: call.contract.address, gasLimit: call.gasLimit, .heartbeats, "0x22",
        agent: agent)
    }
  }

  /// Claims what is pending for each active node.
  private func claimRewards() async {
    let now = unixClock.seconds
    for node in registry.read({ $0.nodes.active(at: now) }) {
      // A pool that cannot be read owes nothing.
      let pending = try? await client.readWord(
        of: PlumiseNetwork.Contract.rewardPool,
        RewardPoolCall.getPendingReward(node.address).input)
      guard let pending, !pending.isZero else { continue }
      let call = PrecompileCall.claimReward(agent: node.address)
      await send(call.input, to: call.contract.address, .claims, "0x23", agent: node.address)
    }
  }

  // MARK: - Transactions

  /// Sends a transaction whose receipt is not waited for.
  func send(
    _ data: [UInt8], to recipient: Address, gasLimit: UInt64? = nil, _ operation: ChainOperation,
    _ call: String, agent: Address
  ) async {
    do {
      let hash = try await plan.account.send(data, to: recipient, gasLimit: gasLimit)
      publish(operation, call, agent: agent, .sent(hash))
    } catch {
      publish(operation, call, agent: agent, .failed(reason: "\(error)"))
    }
  }

  /// Sends a transaction and waits for its receipt, whose status is not looked at.
  /// - Throws: why it was not sent, or no receipt came.
  func sendAndWait(
    _ data: [UInt8], to recipient: Address, _ operation: ChainOperation, _ call: String,
    agent: Address? = nil, epoch: UInt64? = nil, contribution: Contribution? = nil
  ) async throws {
    do {
      let hash = try await plan.account.send(data, to: recipient)
      let receipt = try await client.waitForReceipt(of: hash, timeout: .seconds(180))
      publish(
        operation, call, agent: agent, epoch: epoch, contribution: contribution,
        .mined(hash, succeeded: receipt.succeeded))
    } catch {
      publish(
        operation, call, agent: agent, epoch: epoch, contribution: contribution,
        .failed(reason: "\(error)"))
      throw error
    }
  }

  private func publish(
    _ operation: ChainOperation, _ call: String, agent: Address?, epoch: UInt64? = nil,
    contribution: Contribution? = nil, _ result: ChainOperationOutcome.Result
  ) {
    let outcome = ChainOperationOutcome(
      operation: operation, call: call, agent: agent, epoch: epoch, contribution: contribution,
      result: result)
    outcomes.record(outcome)
    if case .failed = result {
      logger.warning("\(outcome)")
    } else {
      logger.info("\(outcome)")
    }
  }
}
