@preconcurrency import Dispatch
import Foundation
import JSONValues
import MockServing
import NetworkWatch
import TestSupport
import Testing

/// The page in a browser, at many more events than a network makes.
@Suite("Page at speed", .enabled(if: Browser.isWanted, Browser.absence), .timeLimit(.minutes(5)))
struct PageSpeedTests {
  private static let rate = 1000
  private static let seconds = 10

  /// Notes when each row of the time line was drawn: at the first frame behind its insertion.
  private static let watch = """
    window.drawn = new Map();
    document.getElementById("timeline").scrollIntoView();
    new MutationObserver((changes) => {
      const rows = changes.flatMap((change) => [...change.addedNodes]);
      requestAnimationFrame(() => {
        const now = Date.now();
        for (const row of rows) drawn.set(Number(row.dataset.number), now - Number(row.dataset.time));
      });
    }).observe(document.getElementById("timeline"), { childList: true });
    """

  /// The numbers of all events, as somebody finds them who turns the pages of the time line.
  private static let turnPages = """
    const numbers = [];
    const older = document.getElementById("older");
    while (true) {
      for (const row of document.querySelectorAll("#timeline tr")) numbers.push(Number(row.dataset.number));
      if (older.disabled) return numbers;
      older.click();
    }
    """

  @Test(
    "Of 1000 events a second for 10 s none is missing, and measured alone 95 % are drawn in 200 ms")
  func tenThousand() async throws {
    let events = EventStream()
    try await PageServer(NotedNetwork(), events: events).withServer { address in
      try await Browser.with { browser in
        try await browser.open(address.url)
        try await browser.wait(
          until: "document.getElementById('connection').textContent === 'connected'")
        _ = try await browser.run(Self.watch)
        let count = Self.rate * Self.seconds
        for await due in Self.ticks(count) {
          while events.count < due { events.record(Self.event(events.count)) }
        }
        try await browser.wait(
          until: "document.getElementById('event-count').textContent === '\(count) events'")
        let delays = try await browser.run(
          """
          return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(
            () => done([...drawn.values()].sort((a, b) => a - b)))));
          """)
        let milliseconds = (delays.arrayValue ?? []).compactMap(\.doubleValue)
        try #require(!milliseconds.isEmpty)
        let p95 = milliseconds[milliseconds.count * 95 / 100]
        print("page: \(milliseconds.count) of \(count) rows drawn, p95 \(p95) ms")
        // Beside other tests, on few cores, the time says nothing: make page-speed runs this alone.
        if ProcessInfo.processInfo.environment["PETALS_E2E_MEASURE"] != nil {
          #expect(p95 <= 200)
          // Frames may be dropped, but few: a row that no frame showed is on a page of the time line.
          #expect(milliseconds.count > count * 9 / 10)
        }
        let pages = try await browser.run(Self.turnPages)
        let numbers = (pages.arrayValue ?? []).compactMap(\.integerValue)
        #expect(Set(numbers) == Set(1...Int64(count)))
        #expect(try await browser.consoleErrors() == [])
      }
    }
  }

  /// How many events are due, each hundredth of a second, up to a count.
  private static func ticks(_ count: Int) -> AsyncStream<Int> {
    let began = DispatchTime.now().uptimeNanoseconds
    return AsyncStream { continuation in
      let timer = DispatchSource.makeTimerSource()
      timer.setEventHandler {
        let elapsed = DispatchTime.now().uptimeNanoseconds - began
        let due = min(count, Int(elapsed) * rate / 1_000_000_000)
        continuation.yield(due)
        if due == count { continuation.finish() }
      }
      continuation.onTermination = { _ in timer.cancel() }
      timer.schedule(deadline: .now(), repeating: .milliseconds(10))
      timer.resume()
    }
  }

  /// Events as a busy network makes them.
  private static func event(_ number: Int) -> WatchedEvent {
    let node = "node-\(number % 2 + 1)"
    switch number % 10 {
    case 0:
      return WatchedEvent(
        "oracle",
        .request(
          OracleAnswer(
            method: "POST", path: "/api/v1/report", status: 200, outcome: .accepted, agent: "0x1",
            tokens: number)))
    case 1:
      return WatchedEvent(
        "chain",
        .block(
          BlockNews(
            height: number, hash: "0x0", timestamp: 1_764_442_000 + number, gas: 21_000,
            transactions: [
              .init(hash: "0x\(number)", from: "0x1", to: "0x2", call: "heartbeat", gas: 21_000)
            ])))
    default:
      return WatchedEvent(
        node,
        .session(
          SessionNews(
            "s\(number / 100)", .step, blocks: "\(number % 2)", tokens: 1, position: number % 100,
            milliseconds: 1.5, sessions: 3, cacheBytes: 1 << 20, cacheBudget: 1 << 30)))
    }
  }
}
