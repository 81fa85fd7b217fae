public import EthereumPrimitives
public import InferenceMetrics
public import Logging
public import PlumiseWire

/// Reports a node's metrics to the oracle at every interval, and once more when it stops.
///
/// The first report goes out after one interval. No failure ends it: the counters are cumulative,
/// so that a lost report loses nothing, and proofs stay in their buffer until a report that carried
/// them was accepted (WIRE §2.3). Reports are sent one at a time, with timestamps that only grow,
/// even within one second.
public actor OracleReporter {
  /// After how many failures in a row the log says so loudly.
  public static let failuresWorthAnError = 10

  private enum Phase {
    case idle
    case running(Task<Void, Never>)
    case stopping(Task<ReportOutcome, Never>)
  }

  /// What it reports to, how often, and in which words.
  public nonisolated let configuration: ReporterConfiguration
  /// The agent that the reports speak for and are signed by.
  public nonisolated let agent: Address
  /// How many reports in a row were not accepted.
  public private(set) var consecutiveFailures = 0

  private let composer: ReportComposer
  private let transport: any ReportTransport
  private let clock: any Clock<Duration>
  private let logger: Logger
  private nonisolated let broadcast = OutcomeBroadcast()
  private var phase = Phase.idle
  private var lastTimestamp: Int64 = 0
  private var reportCount = 0
  /// The report that was begun last; the next one waits for it.
  private var latest: Task<ReportOutcome, Never>?

  /// Makes a reporter that does nothing until it is started.
  /// - Parameters:
  ///   - configuration: what it reports to, how often, and in which words.
  ///   - key: signs the reports; its address is the agent's.
  ///   - collector: what is reported.
  ///   - transport: how reports get there; HTTP unless said otherwise.
  ///   - clock: what the interval and the time-out are measured on.
  ///   - unixClock: where timestamps come from.
  ///   - logger: where failures are logged.
  public init(
    configuration: ReporterConfiguration, key: SecretKey, collector: MetricsCollector,
    transport: any ReportTransport = HTTPReportTransport(),
    clock: any Clock<Duration> = ContinuousClock(), unixClock: UnixClock = .system,
    logger: Logger = Logger(label: "oracle-reporter")
  ) {
    self.configuration = configuration
    agent = key.address
    composer = ReportComposer(
      dialect: configuration.dialect, key: key, collector: collector, unixClock: unixClock)
    self.transport = transport
    self.clock = clock
    self.logger = logger
  }

  /// The outcomes of all reports from now on; ends when the reporter is gone.
  public nonisolated func outcomes() -> AsyncStream<ReportOutcome> { broadcast.subscribe() }

  /// Whether reports are being sent.
  public var isRunning: Bool {
    if case .idle = phase { false } else { true }
  }

  /// Starts reporting; the first report goes out after one interval.
  /// - Throws: ``ReporterError/alreadyRunning`` when it runs already.
  public func start() throws(ReporterError) {
    guard case .idle = phase else { throw .alreadyRunning }
    phase = .running(Task { await self.reportAtEveryInterval() })
  }

  /// Stops reporting: waits for a report that is on its way, then sends a last one.
  ///
  /// The last report is sent even when the calling task is cancelled. After this call no task of
  /// the reporter is left, and it may be started again.
  /// - Returns: how the last report ended, or `nil` when the reporter was not running.
  @discardableResult
  public func stop() async -> ReportOutcome? {
    switch phase {
    case .idle: return nil
    case .stopping(let last): return await last.value
    case .running(let loop):
      loop.cancel()
      let last = Task {
        await loop.value
        let outcome = await self.reportEverything()
        self.phase = .idle
        return outcome
      }
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
      let outcome = await report(isFinal: false)
      wait = configuration.interval
      if case .refused(_, _, let patience?)? = outcome.failure {
        wait = max(wait, min(patience, configuration.longestPause))
      }
    }
  }

  /// The last report; as many as it takes when the proofs do not fit into one.
  private func reportEverything() async -> ReportOutcome {
    var outcome = await report(isFinal: true)
    while outcome.isAccepted && composer.hasProofs {
      outcome = await report(isFinal: true)
    }
    return outcome
  }

  private func report(isFinal: Bool) async -> ReportOutcome {
    let previous = latest
    // A task of its own, so that a cancelled caller does not tear a report whose fate would then
    // be unknown; the request's time-out ends it.
    let task = Task {
      _ = await previous?.value
      return await self.send(isFinal: isFinal)
    }
    latest = task
    let outcome = await task.value
    if latest == task { latest = nil }
    return outcome
  }

  private func send(isFinal: Bool) async -> ReportOutcome {
    let report = composer.compose(after: lastTimestamp)
    lastTimestamp = report.timestamp
    reportCount += 1
    let failure = await post(report.body)
    if failure == nil {
      composer.acknowledge(report)
      consecutiveFailures = 0
    } else {
      consecutiveFailures += 1
    }
    let outcome = ReportOutcome(
      number: reportCount, timestamp: report.timestamp,
      processedTokens: report.metrics.totalTokens, tasksCompleted: report.metrics.totalRequests,
      proofCount: report.proofCount, isFinal: isFinal, failure: failure,
      consecutiveFailures: consecutiveFailures)
    log(outcome)
    broadcast.send(outcome)
    return outcome
  }

  private func post(_ body: [UInt8]) async -> ReportFailure? {
    let request = ReportRequest(url: configuration.reportURL, body: body)
    let limit = configuration.requestTimeout
    do {
      let answer = try await withDeadline(limit, on: clock) { [transport] in
        try await transport.post(request)
      }
      return ReportFailure.reading(answer)
    } catch is DeadlineExceeded {
      return .timedOut(url: request.url, after: limit)
    } catch {
      return .outage(url: request.url, reason: String(describing: error))
    }
  }

  private func log(_ outcome: ReportOutcome) {
    guard let failure = outcome.failure else {
      logger.debug("report accepted", metadata: ["tokens": "\(outcome.processedTokens)"])
      return
    }
    logger.warning("report failed: \(failure)")
    if outcome.consecutiveFailures == Self.failuresWorthAnError {
      logger.error(
        """
        \(outcome.consecutiveFailures) reports in a row failed; is the oracle at \
        \(configuration.oracle) running? Reporting goes on, nothing is lost
        """)
    }
  }
}

/// Why a reporter did not start.
public enum ReporterError: Error, Sendable, Hashable, CustomStringConvertible {
  /// It runs already; stop it first.
  case alreadyRunning

  /// One line: what is wrong, and what to do.
  public var description: String {
    "the oracle reporter is running already: stop it before starting it again"
  }
}
