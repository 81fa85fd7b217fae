import AsyncPrimitives
public import EthereumPrimitives
public import InferenceMetrics
public import Logging
public import PlumiseWire
public import ServiceLifecycle

/// Reports a node's metrics to the oracle at every interval, and once more when it stops.
///
/// The first report goes out after one interval. No failure ends it: the counters are cumulative,
/// so that a lost report loses nothing, and proofs stay in their buffer until a report that carried
/// them was accepted (Oracle.md, The reporter). What may succeed later is tried again after a pause
/// that grows; a report whose answer was lost is sent again as it was, so that nothing is reported
/// twice. Reports are sent one at a time, with timestamps that only grow, even within one second.
public actor OracleReporter {
  /// After how many failures in a row an error is logged; each is logged as a warning.
  public static let failuresBeforeErrorLog = 10

  private enum Phase {
    case idle
    case running(Task<Void, Never>)
    case stopping(Task<ReportOutcome, Never>)
  }

  /// What it reports to, how often, and in which dialect.
  public nonisolated let configuration: ReporterConfiguration
  /// The agent that the reports speak for and are signed by.
  public nonisolated let agent: Address
  /// How many reports in a row were not accepted.
  public private(set) var consecutiveFailures = 0

  private let transport: any ReportTransport
  private let clock: any Clock<Duration>
  /// What counts the reporter's tasks and requests, on a clock that tests move.
  private let monitor: IdleMonitor?
  private let chance: @Sendable () -> Double
  private let logger: Logger
  private nonisolated let broadcast = Broadcast<ReportOutcome>()
  private var composer: ReportComposer
  private var phase = Phase.idle
  private var lastTimestamp: Int64
  private var reportCount = 0
  /// The timestamp of the last report that the oracle is known to have.
  private var lastAccepted: Int64?
  /// The report that was started last; the next one waits for it.
  private var latest: Task<ReportOutcome, Never>?
  /// The reports that have not ended, by the order in which they were started.
  private var inFlight: [Int: Task<ReportOutcome, Never>] = [:]
  private var startedCount = 0
  /// Whether it was logged that the proofs' file is no longer written.
  private var hasLoggedSpoolFailure = false
  /// The last report, while it is unknown whether the oracle has it.
  private var unresolved: ComposedReport?
  /// The pause before another attempt at the last report.
  private var pausing: Task<Void, Never>?
  /// Whether the deadline of a stop is over.
  private var isGivingUp = false

  /// Makes a reporter that does nothing until it is started.
  /// - Parameters:
  ///   - configuration: what it reports to, how often, and in which dialect.
  ///   - key: signs the reports; its address is the agent's.
  ///   - collector: what is reported.
  ///   - transport: how reports get there; HTTP unless said otherwise.
  ///   - clock: what the interval, the pauses and the time-outs are measured on.
  ///   - unixClock: where timestamps come from.
  ///   - chance: numbers from 0 to 1, which vary the pauses.
  ///   - logger: where failures are logged.
  public init(
    configuration: ReporterConfiguration, key: SecretKey, collector: MetricsCollector,
    transport: any ReportTransport = HTTPReportTransport(),
    clock: any Clock<Duration> = ContinuousClock(), unixClock: UnixClock = .system,
    chance: @escaping @Sendable () -> Double = { .random(in: 0..<1) },
    logger: Logger = Logger(label: "oracle-reporter")
  ) {
    self.configuration = configuration
    agent = key.address
    composer = ReportComposer(
      dialect: configuration.dialect, key: key, collector: collector, unixClock: unixClock)
    lastTimestamp = collector.proofs.lastTimestamp
    self.transport = transport
    self.clock = clock
    monitor = clock.monitor
    self.chance = chance
    self.logger = logger
  }

  /// The outcomes of all reports from now on; ends when the reporter is gone.
  public nonisolated func outcomes() -> AsyncStream<ReportOutcome> { broadcast.subscribe() }

  /// Whether reports are being sent.
  public var isRunning: Bool {
    if case .idle = phase { false } else { true }
  }

  /// Starts reporting; the first report goes out after one interval.
  /// - Throws: ``ReporterError`` of code ``ReporterError/Code/alreadyRunning`` when it runs already.
  public func start() throws(ReporterError) {
    guard case .idle = phase else { throw .alreadyRunning }
    phase = .running(
      Task(executorPreference: monitor) { await self.reportAtEveryInterval() })
  }

  /// Stops reporting: waits for a report that is on its way, then sends a last one.
  ///
  /// The last report is sent even when the calling task is cancelled. After this call no task of
  /// the reporter is left, and it may be started again.
  /// - Parameter deadline: how long all of it may take; nil takes the configuration's.
  /// - Returns: how the last report ended, or `nil` when the reporter was not running.
  @discardableResult
  public func stop(within deadline: Duration? = nil) async -> ReportOutcome? {
    switch phase {
    case .idle: return nil
    case .stopping(let last): return await last.value
    case .running(let loop):
      loop.cancel()
      let limit = deadline ?? configuration.stopDeadline
      let last = Task(executorPreference: monitor) { await self.end(after: loop, within: limit) }
      phase = .stopping(last)
      return await last.value
    }
  }

  /// Sends one report now, after those that are on their way.
  @discardableResult
  public func reportNow() async -> ReportOutcome { await report(isFinal: false) }

  private func reportAtEveryInterval() async {
    var wait = configuration.interval
    while !Task.isCancelled {
      do {
        try await clock.sleep(for: wait)
      } catch {
        // Only the cancellation by `stop` ends a sleep before its time.
        return
      }
      wait = pause(after: await report(isFinal: false))
    }
  }

  /// How long to wait after a report: the interval, less when it may be tried again sooner, more
  /// when the oracle asks for it (`Retry-After`).
  private func pause(after outcome: ReportOutcome) -> Duration {
    guard let failure = outcome.failure, failure.isRetryable else { return configuration.interval }
    let pause = configuration.retry.backoff.delay(
      after: outcome.consecutiveFailures, random: chance())
    guard let retryAfter = failure.retryAfter else {
      return min(pause, configuration.interval)
    }
    return max(min(pause, configuration.interval), min(retryAfter, configuration.longestPause))
  }

  private func end(after loop: Task<Void, Never>, within limit: Duration) async -> ReportOutcome {
    let outcome = await sendFinalReports(after: loop, within: limit)
    phase = .idle
    return outcome
  }

  /// The last report; as many as it takes when the proofs do not fit into one, and some more when
  /// it may be tried again.
  private func sendFinalReports(
    after loop: Task<Void, Never>, within limit: Duration
  ) async -> ReportOutcome {
    let deadline = Task(executorPreference: monitor) { [clock] in
      do {
        try await clock.sleep(for: limit)
      } catch {
        // The reports were done before.
        return
      }
      await self.giveUp()
    }
    await loop.value
    var outcome = await report(isFinal: true)
    var attempts = 1
    while !isGivingUp {
      if outcome.isAccepted {
        guard composer.hasMore else { break }
      } else {
        guard attempts < configuration.retry.finalAttempts, outcome.failure?.isRetryable == true,
          await sleepUnlessGivingUp(pause(after: outcome))
        else { break }
        attempts += 1
      }
      outcome = await report(isFinal: true)
    }
    deadline.cancel()
    await deadline.value
    isGivingUp = false
    return outcome
  }

  private func giveUp() {
    isGivingUp = true
    // The last report waits for all that were started before it.
    for (_, report) in inFlight.sorted(by: { $0.key < $1.key }) { report.cancel() }
    pausing?.cancel()
  }

  /// Sleeps, but no longer than the deadline.
  /// - Returns: whether there is time left.
  private func sleepUnlessGivingUp(_ pause: Duration) async -> Bool {
    let sleeping = Task<Void, Never>(executorPreference: monitor) { [clock] in
      do {
        try await clock.sleep(for: pause)
      } catch {
        // Only the deadline ends it before its time; then nothing follows.
      }
    }
    pausing = sleeping
    await sleeping.value
    pausing = nil
    return !isGivingUp
  }

  private func report(isFinal: Bool) async -> ReportOutcome {
    let previous = latest
    // A task of its own, so that the cancellation of a caller does not break off a report, whose
    // outcome would then be unknown; the request's time-out ends it.
    let task = Task(executorPreference: monitor) {
      _ = await previous?.value
      return await self.send(isFinal: isFinal)
    }
    latest = task
    startedCount += 1
    let number = startedCount
    inFlight[number] = task
    let outcome = await task.value
    inFlight[number] = nil
    if latest == task { latest = nil }
    return outcome
  }

  private func send(isFinal: Bool) async -> ReportOutcome {
    var settled = 0
    if let earlier = unresolved, earlier.mustBeResentUnchanged, composer.isFresh(earlier) {
      let failure = await post(earlier.body)
      guard settle(earlier, failure) else {
        return finish(earlier, failure, isFinal: isFinal)
      }
      if unresolved == nil, lastAccepted == earlier.timestamp { settled = earlier.proofCount }
    }
    let report = composer.compose(after: lastTimestamp, isCertain: unresolved == nil)
    if report.tokens.isRestart {
      logger.notice(
        """
        the token counter is started again at \(report.tokens.value): the oracle takes no more \
        than 1000000000 in a report
        """)
    }
    lastTimestamp = report.timestamp
    composer.collector.proofs.note(timestamp: report.timestamp)
    let failure = await post(report.body)
    if failure == nil {
      accept(report)
    } else if failure?.outcomeIsUnknown == true {
      composer.markUnresolved(report)
      unresolved = report
    }
    return finish(report, failure, isFinal: isFinal, settled: settled)
  }

  private func accept(_ report: ComposedReport) {
    composer.acknowledge(report)
    lastAccepted = report.timestamp
    unresolved = nil
  }

  /// Resolves a report that was sent again, by its answer.
  /// - Returns: false when its outcome is still unknown.
  private func settle(_ report: ComposedReport, _ failure: ReporterError?) -> Bool {
    guard let failure else {
      accept(report)
      return true
    }
    // A replay of a timestamp that nobody but this reporter has used: the oracle has it. A
    // reporter that was never accepted may have a clock behind that of the process before it.
    if failure.isReplay, lastAccepted != nil || composer.collector.proofs.isSpooled {
      accept(report)
      return true
    }
    // Too late for these bytes, or not ours: another report has to carry what they carried. Every
    // other refusal would have come before the oracle looked whether it has them.
    if failure.isReplay || failure.isStale {
      unresolved = nil
      return true
    }
    return false
  }

  private func finish(
    _ report: ComposedReport, _ failure: ReporterError?, isFinal: Bool, settled: Int = 0
  ) -> ReportOutcome {
    reportCount += 1
    consecutiveFailures = failure == nil ? 0 : consecutiveFailures + 1
    let outcome = ReportOutcome(
      number: reportCount, timestamp: report.timestamp, processedTokens: report.tokens.value,
      tasksCompleted: report.metrics.totalRequests, proofCount: report.proofCount + settled,
      isFinal: isFinal, failure: failure, consecutiveFailures: consecutiveFailures,
      restartsCounter: report.tokens.isRestart)
    log(outcome)
    logSpoolFailure()
    broadcast.send(outcome)
    return outcome
  }

  private func post(_ body: [UInt8]) async -> ReporterError? {
    let request = ReportRequest(url: configuration.reportURL, body: body)
    let limit = configuration.requestTimeout
    guard !isGivingUp else { return .timedOut(url: request.url, after: configuration.stopDeadline) }
    do {
      let answer = try await withRequest(
        body, to: URLAuthority.address(in: request.url), within: limit, on: clock
      ) { [transport] in
        try await transport.post(request)
      }
      return ReporterError.reading(answer)
    } catch is DeadlineExceeded {
      return .timedOut(url: request.url, after: limit)
    } catch {
      return .outage(url: request.url, reason: String(describing: error), cause: error)
    }
  }

  private func logSpoolFailure() {
    guard !hasLoggedSpoolFailure, let reason = composer.collector.proofs.spoolFailure else {
      return
    }
    hasLoggedSpoolFailure = true
    logger.error(
      """
      the file of proofs is written no more: \(reason). The proofs that wait are in memory alone; \
      make room and start the node again
      """)
  }

  private func log(_ outcome: ReportOutcome) {
    guard let failure = outcome.failure else {
      logger.debug("report accepted", metadata: ["tokens": "\(outcome.processedTokens)"])
      return
    }
    logger.warning("report failed: \(failure)")
    if outcome.consecutiveFailures == Self.failuresBeforeErrorLog {
      logger.error(
        """
        \(outcome.consecutiveFailures) reports in a row failed; is the oracle at \
        \(configuration.oracle) running? Reporting goes on, nothing is lost
        """)
    }
  }
}

extension OracleReporter: Service {
  /// Reports until the service group stops, or the task is cancelled; then sends the last report.
  /// - Throws: ``ReporterError`` of code ``ReporterError/Code/alreadyRunning``.
  public func run() async throws {
    try start()
    await untilStopped()
    await stop()
  }

  private nonisolated func untilStopped() async {
    let (stopped, continuation) = AsyncStream<Never>.makeStream()
    await withGracefulShutdownHandler {
      // Ends when the stream does or the task is cancelled: nothing is ever sent.
      for await _ in stopped {}
    } onGracefulShutdown: {
      continuation.finish()
    }
  }
}
