import AsyncPrimitives
import HTTPTypes
import MockOracle
import MockServing
import OracleReporter
import PlumiseTesting
import PlumiseWire
import Synchronization
import TestSupport
import Testing

@Suite("Retries", .timeLimit(.minutes(5))) struct RetryTests {
  /// A reporter without chance, against an oracle that gives these answers one after another.
  private func reporting(
    _ answers: [Int], retryAfter: Duration? = nil,
    retry: RetryPolicy = RetryPolicy(backoff: Backoff(jitter: 0))
  ) throws -> ReporterFixture {
    let left = Mutex(answers)
    return try ReporterFixture(
      to: "http://oracle.test", retry: retry,
      transport: InMemoryReportTransport { _ in
        let status = left.withLock { $0.isEmpty ? 200 : $0.removeFirst() }
        return ReportAnswer(status: status, retryAfter: retryAfter, body: [])
      })
  }

  /// The times of the reports, in seconds of the clock.
  private func times(_ reporting: ReporterFixture, count: Int) async throws -> [Duration] {
    var outcomes = reporting.reporter.outcomes().makeAsyncIterator()
    try await reporting.reporter.start()
    var times: [Duration] = []
    for _ in 0..<count {
      try await reporting.nextInterval()
      _ = await outcomes.next()
      times.append(reporting.clock.now.offset)
    }
    await reporting.reporter.stop()
    return times
  }

  @Test("What may be tried again is, after pauses that double up to the longest")
  func backOff() async throws {
    let policy = RetryPolicy(
      backoff: Backoff(initial: .seconds(2), maximum: .seconds(10), jitter: 0))
    let reporting = try reporting([500, 503, 502, 408, 429], retry: policy)
    #expect(
      try await times(reporting, count: 7)
        == [60, 62, 66, 74, 84, 94, 154].map { .seconds($0) })
  }

  @Test("A pause is never longer than the interval")
  func withinTheInterval() async throws {
    let policy = RetryPolicy(
      backoff: Backoff(initial: .seconds(50), maximum: .seconds(500), jitter: 0))
    let reporting = try reporting([500, 500, 500], retry: policy)
    #expect(
      try await times(reporting, count: 4) == [60, 110, 170, 230].map { .seconds($0) })
  }

  @Test(
    "What is refused for good waits for the next interval", arguments: [400, 401, 403, 409, 422])
  func refusals(status: Int) async throws {
    #expect(
      try await times(reporting([status, status]), count: 2) == [.seconds(60), .seconds(120)])
  }

  @Test("An oracle that asks for less patience than an interval gets its report sooner")
  func shortPatience() async throws {
    let reporting = try reporting([429], retryAfter: .seconds(7))
    #expect(try await times(reporting, count: 2) == [.seconds(60), .seconds(67)])
  }

  @Test("The last report is tried again while the deadline lasts")
  func finalAttempts() async throws {
    let reporting = try reporting(
      [500, 500], retry: RetryPolicy(backoff: Backoff(jitter: 0), finalAttempts: 3))
    try await reporting.reporter.start()
    async let last = reporting.reporter.stop()
    // The deadline sleeps already; the pauses of 1 s and 2 s come before it.
    try await reporting.clock.waitForSleeper(until: .seconds(1))
    reporting.clock.advance(by: .seconds(1))
    try await reporting.clock.waitForSleeper(until: .seconds(3))
    reporting.clock.advance(by: .seconds(2))
    let outcome = try #require(await last)
    #expect(outcome.isAccepted && outcome.isFinal && outcome.number == 3)
    #expect(reporting.clock.deadlines.isEmpty)
  }

  @Test("A stop ends with its deadline, whether a report hangs or a pause is long")
  func deadline() async throws {
    let began = Journal<Int>()
    let hanging = try ReporterFixture(
      to: "http://oracle.test",
      transport: InMemoryReportTransport { _ in
        began.record(1)
        _ = try await Journal<Int>().next()
        return ReportAnswer(status: 200, body: [])
      })
    try await hanging.reporter.start()
    async let last = hanging.reporter.stop(within: .seconds(5))
    _ = try await began.next()
    try await hanging.clock.waitForSleeper(until: .seconds(5))
    hanging.clock.advance(by: .seconds(5))
    #expect(await last?.isAccepted == false)

    let refused = try reporting(
      Array(repeating: 500, count: 9),
      retry: RetryPolicy(
        backoff: Backoff(initial: .seconds(10), jitter: 0), finalAttempts: 9))
    try await refused.reporter.start()
    async let lastRefused = refused.reporter.stop(within: .seconds(15))
    try await refused.clock.waitForSleeper(until: .seconds(15))
    try await refused.clock.waitForSleeper(until: .seconds(10))
    refused.clock.advance(by: .seconds(10))
    // The next pause would end after the deadline.
    try await refused.clock.waitForSleeper(until: .seconds(30))
    refused.clock.advance(by: .seconds(5))
    #expect(await lastRefused?.number == 2)
    #expect(await !refused.reporter.isRunning)
  }
}

@Suite("Retry-After", .timeLimit(.minutes(5))) struct RetryAfterTests {
  /// What the transport makes of an answer with these fields.
  private func pause(_ field: String, date: String? = nil) async throws -> Duration? {
    var headers: HTTPFields = [.retryAfter: field]
    headers[.date] = date
    let response = WebResponse(status: .serviceUnavailable, headers: headers)
    return try await withWebServer(respond: { _ in response }) { address async throws in
      try await HTTPReportTransport().post(ReportRequest(url: address.url, body: [])).retryAfter
    }
  }

  @Test(
    "A date is heeded in each of its forms, by the clock of the answer",
    arguments: [
      "Sun, 06 Nov 1994 08:51:07 GMT", "Sunday, 06-Nov-94 08:51:07 GMT",
      "Sun Nov  6 08:51:07 1994",
    ])
  func dates(field: String) async throws {
    #expect(try await pause(field, date: "Sun, 06 Nov 1994 08:49:37 GMT") == .seconds(90))
    // Without the answer's own date it is long past.
    #expect(try await pause(field) == .zero)
  }

  @Test("A date that is far ahead, over leap days and the turn of a century")
  func calendar() async throws {
    let from = "Thu, 01 Jan 1970 00:00:00 GMT"
    #expect(
      try await pause("Thu, 29 Feb 2024 23:59:59 GMT", date: from) == .seconds(1_709_251_199))
    #expect(
      try await pause("Fri, 31 Dec 1999 23:59:60 GMT", date: from) == .seconds(946_684_800))
    #expect(
      try await pause("Mon, 01 Mar 2100 00:00:00 GMT", date: from) == .seconds(4_107_542_400))
  }

  @Test("A number of seconds is heeded; anything but a date or a number counts as no field")
  func others() async throws {
    #expect(try await pause("7") == .seconds(7))
    for field in [
      "-1", "soon", "Sun, 06 Nov 1994 08:49:37", "Sun, 32 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT",
      "Sun, 06 Nov 19940 1:2:3 GMT",
    ] {
      #expect(try await pause(field) == nil, "\(field)")
    }
  }
}
