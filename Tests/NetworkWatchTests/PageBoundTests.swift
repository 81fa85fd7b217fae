import JSONValues
import MockServing
import NetworkWatch
import TestSupport
import Testing

/// What the page keeps of a network that is up for long.
@Suite("Page for a day", .enabled(if: Browser.isWanted, Browser.absence), .timeLimit(.minutes(5)))
struct PageBoundTests {
  private static let count = 23_000

  /// As many events as a network makes in days, taken in as if they had come.
  private static let days = """
    const { model } = window.page;
    const last = model.count;
    for (let number = 1; number <= 300_000; number += 1) {
      const part = `node-${number % 2 + 1}`;
      const event = { number: last + number, time: Date.now(), part, kind: "session", session: {
        session: `s${number / 50 | 0}`, state: "step", blocks: "0", tokens: 1, position: 1,
        milliseconds: 1, sessions: 1, cache_bytes: 1, cache_budget: 2 } };
      model.apply(event);
      model.apply({ ...event, kind: "clock", clock: { seconds: 1 } });
    }
    window.page.ask();
    const sizes = [model.events, model.oracle.rows, model.chain.rows, model.announcements,
      ...[...model.nodes.values()].map((node) => node.passes)].map((list) => list.length);
    return [Math.max(...sizes), model.routes.size, model.count, model.events.at(-1).number];
    """

  @Test("The page keeps the newest events, so many at most, and says that older ones are gone")
  func bound() async throws {
    let events = EventStream()
    for number in 1...Self.count { events.record("chain", .clock(ClockNews(seconds: number))) }
    try await PageServer(NotedNetwork(), events: events).withServer { address in
      try await Browser.with { browser in
        try await browser.open(address.url)
        try await browser.wait(
          until: "document.getElementById('event-count').textContent === '\(Self.count) events'")
        let kept = try await browser.run(
          "const { events } = window.page.model; return [events.length, events[0].number, events.at(-1).number]"
        )
        let length = try #require(kept[0]?.integerValue)
        #expect((20_000...22_000).contains(length))
        #expect(kept[1] == .integer(Int64(Self.count) - length + 1))
        #expect(kept[2] == .integer(Self.count))
        try await checkPages(browser, oldest: Self.count - Int(length) + 1)
        let after = try await browser.run(Self.days)
        #expect(try #require(after[0]?.integerValue) <= 22_000)
        #expect(try #require(after[1]?.integerValue) <= 200)
        #expect(after[2] == .integer(Self.count + 600_000))
        #expect(after[3] == .integer(Self.count + 300_000))
        #expect(try await browser.consoleErrors() == [])
      }
    }
  }

  /// Turns all pages of the time line, with a filter of a text and without.
  private func checkPages(_ browser: Browser, oldest: Int) async throws {
    let turn = """
      document.getElementById("filter-text").value = arguments[0];
      document.getElementById("filter-text").dispatchEvent(new Event("input"));
      const numbers = new Set();
      const older = document.getElementById("older");
      while (true) {
        for (const row of document.querySelectorAll("#timeline tr")) numbers.add(Number(row.dataset.number));
        if (older.disabled) break;
        older.click();
      }
      const said = document.getElementById("timeline-range").textContent;
      return [numbers.size, Math.min(...numbers), Math.max(...numbers), said];
      """
    let all = try await browser.run(turn, "")
    #expect(all[0] == .integer(Self.count - oldest + 1))
    #expect(all[1] == .integer(oldest) && all[2] == .integer(Self.count))
    let gone = "\(oldest - 1) older ones are kept no more"
    #expect(all[3]?.stringValue?.hasSuffix(gone) == true, "\(all.text)")
    // "moved by 9… seconds" of those that are kept.
    let nines = (oldest...Self.count).filter { "\($0)".hasSuffix("99") }
    let some = try await browser.run(turn, "99 seconds")
    #expect(some[0] == .integer(nines.count))
    #expect(some[1] == .integer(try #require(nines.first)))
    #expect(some[2] == .integer(try #require(nines.last)))
  }
}
