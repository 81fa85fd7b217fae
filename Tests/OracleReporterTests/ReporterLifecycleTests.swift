import EthereumPrimitives
import MockOracle
import MockServing
import OracleReporter
import PlumiseTesting
import PlumiseWire
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing

@Suite("Reporter lifecycle", .timeLimit(.minutes(5))) struct ReporterLifecycleTests {
  @Test("The first report goes out after one interval, and one more after every other")
  func intervals() async throws {
    let oracle = MockOracle()
    let reporting = try ReporterFixture(to: oracle)
    var outcomes = reporting.reporter.outcomes().makeAsyncIterator()
    try await reporting.reporter.start()
    try await reporting.clock.waitForSleeper(until: .seconds(60))
    reporting.clock.advance(by: .seconds(59))
    #expect(oracle.journal.count == 0)
    reporting.clock.advance(by: .seconds(1))
    #expect(await outcomes.next()?.isAccepted == true)
    for number in 2...4 {
      try await reporting.nextInterval()
      let outcome = try #require(await outcomes.next())
      #expect(outcome.number == number && outcome.isAccepted && !outcome.isFinal)
    }
    #expect(reporting.clock.now.offset == .seconds(240))
    await reporting.reporter.stop()
    #expect(oracle.journal.count == 5)
  }

  @Test("A second start is refused, a second stop does nothing, a later start works")
  func startAndStop() async throws {
    let oracle = MockOracle()
    let reporting = try ReporterFixture(to: oracle)
    let reporter = reporting.reporter
    #expect(await reporter.stop() == nil)
    try await reporter.start()
    await #expect(throws: ReporterError.alreadyRunning) { try await reporter.start() }
    #expect(await reporter.isRunning)
    let last = try #require(await reporter.stop())
    #expect(last.isFinal && last.isAccepted)
    #expect(await reporter.stop() == nil)
    #expect(await !reporter.isRunning)
    #expect(reporting.clock.deadlines.isEmpty)
    try await reporter.start()
    #expect(await reporter.stop()?.number == 2)
    #expect(oracle.journal.count == 2)
  }

  @Test("Two stops at once send one last report")
  func concurrentStops() async throws {
    let oracle = MockOracle()
    let reporting = try ReporterFixture(to: oracle)
    try await reporting.reporter.start()
    async let first = reporting.reporter.stop()
    async let second = reporting.reporter.stop()
    let outcomes = await [first, second].compactMap { $0 }
    #expect(Set(outcomes.map(\.number)) == [1])
    #expect(oracle.journal.count == 1)
  }

  @Test("Timestamps grow strictly, even when the time of day stands still or runs back")
  func timestamps() async throws {
    let oracle = MockOracle()
    let reporting = try ReporterFixture(to: oracle)
    let start = reporting.time.seconds
    _ = await reporting.reporter.reportNow()
    _ = await reporting.reporter.reportNow()
    reporting.time.seconds = start - 1000
    _ = await reporting.reporter.reportNow()
    reporting.time.seconds = start + 1000
    let last = await reporting.reporter.reportNow()
    #expect(last.isAccepted)
    let timestamps = oracle.reports(of: reporting.key.address).map(\.timestamp)
    #expect(timestamps == [start, start + 1, start + 2, start + 1000])
  }

  @Test("A hundred reports at once go out one by one, and all are accepted")
  func concurrentReports() async throws {
    let oracle = MockOracle()
    let reporter = try ReporterFixture(to: oracle).reporter
    let outcomes = await withTaskGroup(of: ReportOutcome.self) { group in
      for _ in 0..<100 { group.addTask { await reporter.reportNow() } }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(outcomes.count == 100 && outcomes.allSatisfy(\.isAccepted))
  }

  @Test("A cancelled stop still sends the last report")
  func cancelledStop() async throws {
    let oracle = MockOracle()
    let reporting = try ReporterFixture(to: oracle)
    try await reporting.reporter.start()
    let gate = Journal<Int>()
    let stopping = Task {
      // Ends by the cancellation below, so that the stop begins in a cancelled task.
      _ = try? await gate.next()
      return await reporting.reporter.stop()
    }
    stopping.cancel()
    #expect(await stopping.value?.isAccepted == true)
    #expect(oracle.agent(reporting.key.address) != nil)
  }

  @Test("A stop waits for the report that is on its way")
  func stopDuringReport() async throws {
    let oracle = MockOracle()
    let (arrived, goOn) = (Journal<Int>(), Journal<Int>())
    let transport = InMemoryReportTransport { request in
      arrived.record(1)
      _ = try await goOn.next()
      return try await InMemoryReportTransport(oracle).post(request)
    }
    let reporting = try ReporterFixture(to: "http://oracle.test", transport: transport)
    try await reporting.reporter.start()
    try await reporting.nextInterval()
    _ = try await arrived.next()
    async let last = reporting.reporter.stop()
    goOn.record(1)
    let outcome = try #require(await last)
    #expect(outcome.number == 2 && outcome.isFinal && outcome.isAccepted)
    #expect(oracle.reports(of: reporting.key.address).count == 2)
  }

  @Test("A stop's deadline holds, whichever report hangs before the last one")
  func hangingReports() async throws {
    let (arrived, never) = (Journal<Int>(), Journal<Int>())
    let isOver = Mutex(false)
    let transport = InMemoryReportTransport { _ in
      // One that begins after the stop has nobody who would end it.
      if isOver.withLock({ $0 }) { return ReportAnswer(status: 400, body: []) }
      arrived.record(1)
      _ = try await never.next()
      return ReportAnswer(status: 200, body: [])
    }
    let reporting = try ReporterFixture(to: "http://oracle.test", transport: transport)
    let reporter = reporting.reporter
    try await reporter.start()
    let hanging = (0..<3).map { _ in Task { await reporter.reportNow() } }
    _ = try await arrived.next()
    let stopping = Task { await reporter.stop(within: .seconds(5)) }
    try await reporting.clock.waitForSleeper(until: .seconds(5))
    isOver.withLock { $0 = true }
    reporting.clock.advance(by: .seconds(5))
    let last = try #require(await stopping.value)
    #expect(last.isFinal && !last.isAccepted)
    for report in hanging { #expect(await !report.value.isAccepted) }
    #expect(reporting.clock.now.offset == .seconds(5) && reporting.clock.deadlines.isEmpty)
  }

  @Test("As a service it reports until the group stops, then once more")
  func service() async throws {
    let oracle = MockOracle()
    let reporting = try ReporterFixture(to: oracle)
    let running = Task { try await reporting.reporter.run() }
    try await reporting.nextInterval()
    try await oracle.waitForReports(1)
    running.cancel()
    try await running.value
    #expect(oracle.reports(of: reporting.key.address).count == 2)
    #expect(await !reporting.reporter.isRunning)
  }
}
