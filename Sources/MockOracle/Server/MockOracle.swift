import AsyncPrimitives
import EthereumClient
public import EthereumPrimitives
import HTTPTypes
import Logging
public import MockServing
import PlumiseWire
import Synchronization

/// An oracle that answers as the real one does, in either dialect, and says why.
///
/// It may be used in process, by ``respond(to:)``, or over HTTP, by
/// ``withServer(host:port:isolation:faults:graceClock:_:)``; both are the same code. Its ``journal`` holds every
/// request and answer, and tests wait on it.
public final class MockOracle: Sendable {
  /// What it speaks, checks and keeps.
  public let configuration: OracleConfiguration
  /// What came, what was answered, and why.
  public let journal: Journal<OracleEntry>
  let reportStore: ReportStore
  let registry: OracleRegistry
  let contributor: Contributor?
  let chainOperator: ChainOperator?
  let limiter: RateLimiter?
  let routes: RouteTable
  /// What `GET /openapi.json` answers.
  let description: [UInt8]
  let metrics = OracleMetrics()
  /// What the oracle knows of the chain.
  let chainRecords: ChainRecords
  /// The models that the deployed oracle has a record of.
  let models = Mutex(ModelTable())
  /// The last epoch that was known.
  let knownEpoch: Mutex<UInt64>
  /// Whether a log brought back counters of which the profile `faithful` forgets some.
  let mustForget: Mutex<Bool>
  /// Who asks for the epoch of the start does so alone.
  let forgetting = AsyncLock()
  private let serving = Mutex(false)

  /// Makes an oracle; a log in the configuration brings back what was accepted earlier.
  public init(_ configuration: OracleConfiguration = OracleConfiguration()) {
    self.configuration = configuration
    journal = Journal(
      capacity: configuration.journalCapacity, byteLimit: configuration.journalByteLimit
    ) { $0.byteCount }
    routes = RouteTable(of: configuration.dialects)
    description = OpenAPI.description(of: configuration.dialects).serialized()
    limiter = configuration.rateLimit.map { RateLimiter($0) }
    // A log without totals returns its reports once: they are read here for ledger and registry.
    let log = configuration.log.map { log in
      log is any SnapshotLog ? log : ReplayedLog(log)
    }
    registry = OracleRegistry(
      profile: configuration.profile, layerCounts: configuration.modelLayers, log: log)
    reportStore = ReportStore(
      profile: configuration.profile, log: log,
      awaitsContributions: configuration.contributions != nil,
      reportsPerAgent: configuration.reportsPerAgent)
    mustForget = Mutex(
      log != nil && configuration.profile == .faithful && configuration.dialects == [.deployed])
    knownEpoch = Mutex(reportStore.latestEpoch ?? 0)
    precondition(
      configuration.contributions == nil || configuration.chainOperations == nil,
      "contributions would be reported twice")
    let (reportStore, registry, records) = (reportStore, registry, ChainRecords())
    chainRecords = records
    contributor = configuration.contributions.map {
      Contributor(
        $0, epoch: configuration.epoch, reportStore: reportStore, records: records, log: log,
        unixClock: configuration.unixClock, logger: configuration.logger)
    }
    chainOperator = configuration.chainOperations.map {
      ChainOperator(
        $0, profile: configuration.profile, records: records, registry: registry,
        reportStore: reportStore, unixClock: configuration.unixClock, logger: configuration.logger)
    }
  }

  /// The chain that reads ask; nil for an oracle without an account.
  var chainClient: EthereumClient? { sponsor?.client }

  /// The account that registers agents, and reads for those who ask.
  var sponsor: OracleAccount? { chainOperator?.plan.account ?? contributor?.account }

  /// What became of the transactions that the oracle sends by itself; nil without a plan for them.
  public var chainOperations: Journal<ChainOperationOutcome>? { chainOperator?.outcomes }

  /// Does something on the chain now that the plan has the oracle do by itself at an interval.
  ///
  /// Nothing happens without a plan for it, or while it is being done.
  public func perform(_ operation: ChainOperation) async { await chainOperator?.perform(operation) }

  /// What the oracle has seen an agent claim from the reward pool since it began to look at blocks, in wei.
  ///
  /// In the profile `faithful` it waits for an event that no contract logs, and sees nothing.
  public func claimedReward(of agent: Address) -> Word {
    chainRecords.tables.withLock { $0.claims[agent] ?? .zero }
  }

  /// How the reports of contributions ended, in order; nothing without a plan for them.
  public var contributions: Journal<ContributionOutcome>? { contributor?.outcomes }

  /// Reports what was done in the epochs that have ended to the reward pool, now; nothing happens
  /// without a plan for it.
  public func reportContributions() async { await contributor?.reportEndedEpochs() }

  /// What an agent's work in an epoch is worth; `nil` when it did none.
  public func score(of agent: Address, in epoch: UInt64) -> AgentScore? {
    self.epoch(epoch, of: agent).map { AgentScore($0) }
  }

  /// An agent's totals, or `nil` before its first accepted report.
  public func agent(_ address: Address) -> AgentRecord? { reportStore.read { $0.agents[address] } }

  /// The totals of every agent, by address.
  public var agents: [AgentRecord] {
    reportStore.read { $0.agents.values.sorted { $0.address < $1.address } }
  }

  /// An agent's latest accepted reports, ``OracleConfiguration/reportsPerAgent`` at most, oldest first; of all
  /// agents together 8 MiB are kept, twenty thousand reports without proofs.
  public func reports(of agent: Address) -> [StoredReport] {
    reportStore.read { $0.reports(of: agent) }
  }

  /// The proofs of an agent's accepted reports that are kept, each once, oldest first.
  public func proofs(of agent: Address) -> [StoredProof] {
    reportStore.proofs(of: agent).map(\.proof)
  }

  /// What an agent did in one epoch, accounted as the deployed dialect does.
  public func epoch(_ epoch: UInt64, of agent: Address) -> EpochRecord? {
    reportStore.read { $0.epochs.record(epoch, of: agent) }
  }

  /// An agent's totals, for a test that expects them.
  /// - Throws: ``MissingAgentRecord`` before its first accepted report, with what came instead.
  public func record(of agent: Address) throws -> AgentRecord {
    guard let record = self.agent(agent) else {
      throw MissingAgentRecord(agent: agent, nearMisses: journal.nearMisses(of: agent))
    }
    return record
  }

  /// Waits until so many reports were accepted, from one agent or from any.
  /// - Parameters:
  ///   - count: how many.
  ///   - agent: whose; nil for any agent's.
  ///   - limit: how long.
  ///   - clock: what the time is measured on.
  /// - Returns: the reports, in the order they were accepted.
  /// - Throws: ``ReportWaitTimeout`` with what came instead, or `CancellationError`.
  @discardableResult
  public func waitForReports(
    _ count: Int = 1, from agent: Address? = nil, within limit: Duration = .seconds(60),
    on clock: any Clock<Duration> = ContinuousClock()
  ) async throws -> [StoredReport] {
    let isAwaited: @Sendable (OracleEntry) -> Bool = { entry in
      entry.accepted != nil && (agent == nil || entry.agent == agent)
    }
    return try await withDeadline(
      limit, on: clock,
      orThrow: ReportWaitTimeout(
        agent: agent, within: limit, nearMisses: journal.misses(of: agent),
        accepted: journal.entries.count(where: isAwaited), of: count)
    ) { try await self.journal.wait(forCount: count, where: isAwaited) }.compactMap(\.accepted)
  }

  /// Whether a server serves it: what `GET /ready` says.
  public internal(set) var isServing: Bool {
    get { serving.withLock { $0 } }
    set { serving.withLock { $0 = newValue } }
  }

  /// Answers one request and notes it in the journal.
  public func respond(to request: WebRequest) async -> WebResponse {
    let began = ContinuousClock.now
    let reply = await dispatch(request)
    let took = ContinuousClock.now - began
    let entry = OracleEntry(
      request: request, status: reply.response.status.code, agent: reply.agent,
      dialect: reply.dialect, outcome: reply.outcome, notes: reply.notes)
    metrics.count(
      entry, route: reply.template, method: request.method.rawValue, took: took)
    log(entry, took: took)
    journal.record(entry)
    configuration.onEntry(entry)
    return reply.response
  }

  private func log(_ entry: OracleEntry, took: Duration) {
    let level: Logger.Level =
      entry.refusal != nil ? .notice : entry.isAccepted ? .info : .debug
    configuration.logger.log(
      level: level, "\(entry.request.method.rawValue) \(entry.request.path)",
      metadata: entry.metadata(took: took))
  }
}

extension OracleEntry {
  /// What a line of the log says beside the request.
  fileprivate func metadata(took: Duration) -> Logger.Metadata {
    var metadata: Logger.Metadata = [
      "status": "\(status)", "microseconds": "\(Int(took / .microseconds(1)))",
    ]
    if let agent { metadata["agent"] = "\(agent)" }
    if let dialect { metadata["dialect"] = "\(dialect.rawValue)" }
    if let refusal {
      metadata["refusal"] = "\(refusal.name)"
      metadata["reason"] = "\(refusal.shortDescription)"
    }
    if !notes.isEmpty { metadata["notes"] = "\(notes.joined(separator: "; "))" }
    if let remote = request.remote { metadata["remote"] = "\(remote)" }
    return metadata
  }
}

extension MockOracle {
  /// Serves the oracle over HTTP while a body runs, and stops gracefully after it.
  /// - Parameters:
  ///   - host: where to listen.
  ///   - port: where to listen; 0 takes any free port.
  ///   - faults: what goes wrong, and with which requests.
  ///   - isolation: the actor that `body` runs on; the caller's.
  ///   - graceClock: what the grace period of the end is measured on.
  ///   - body: what is done while the oracle runs.
  /// - Throws: `ServingError` when it cannot listen, and whatever `body` throws.
  public func withServer<R: Sendable>(
    host: String = "127.0.0.1", port: Int = 0, isolation: isolated (any Actor)? = #isolation,
    faults: FaultScript? = nil, graceClock: any Clock<Duration> = ContinuousClock(),
    _ body: (ServerAddress) async throws -> R
  ) async throws -> R {
    let server = ServerConfiguration(
      host: host, port: port,
      maximumBodyBytes: configuration.dialects.map(\.longestBody).max() ?? 1 << 20,
      oversizedBody: .handOver, serviceName: "oracle", graceClock: graceClock,
      limits: configuration.limits, runsOnEventLoops: true, logger: configuration.logger)
    return try await withWebServer(
      server, faults: faults, respond: { await self.respond(to: $0) }
    ) { address in
      isServing = true
      defer { isServing = false }
      return try await withTasks { try await body(address) }
    }
  }

  /// Does while a body runs what there is a plan for.
  private func withTasks<R: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> R
  ) async throws -> R {
    guard contributor != nil || chainOperator != nil || mustForget.withLock({ $0 }) else {
      return try await body()
    }
    let (contributor, chainOperator) = (contributor, chainOperator)
    let running = Task(executorPreference: chainOperator?.plan.clock.monitor) {
      await self.forgetOlderCounters()
      await contributor?.run()
      await chainOperator?.run()
    }
    do {
      let result = try await body()
      running.cancel()
      await running.value
      return result
    } catch {
      running.cancel()
      await running.value
      throw error
    }
  }

  /// Makes an oracle and serves it while a body runs.
  /// - Throws: `ServingError` when it cannot listen, and whatever `body` throws.
  public static func withServer<R: Sendable>(
    _ configuration: OracleConfiguration = OracleConfiguration(),
    isolation: isolated (any Actor)? = #isolation,
    faults: FaultScript? = nil, _ body: (MockOracle, ServerAddress) async throws -> R
  ) async throws -> R {
    let oracle = MockOracle(configuration)
    return try await oracle.withServer(faults: faults) { try await body(oracle, $0) }
  }
}
