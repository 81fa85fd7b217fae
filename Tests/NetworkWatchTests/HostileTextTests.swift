import Foundation
import JSONValues
import MockServing
import NetworkWatch
import ReportPages
import TestSupport
import Testing

/// Texts that others choose: prompts, names of agents, reasons of reverts, paths of requests.
@Suite("Texts from outside", .timeLimit(.minutes(5)))
struct HostileTextTests {
  /// Each is markup, closes what it may stand in, and has signs that break lines or turn them around.
  private static let text =
    #"<img src=x onerror="window.pwned=1">'"></script><script>window.pwned=1</script>"#
    + "]]>&lt;${window.pwned=1}\u{2028}\u{202e}\u{0}\u{7}"

  /// An event of each kind whose texts are such ones.
  private static let kinds: [WatchedKind] = {
    var began = GenerationNews(1, .began)
    began.prompt = text
    var token = GenerationNews(1, .token)
    (token.index, token.token, token.text, token.rank) = (0, 7, text, 1)
    token.hops = [
      .init(part: text, blocks: text, milliseconds: 1, computeMilliseconds: 0.5)
    ]
    var failed = GenerationNews(1, .failed)
    failed.reason = text
    return [
      .life(PartLife(.failed, url: text, blocks: text, reason: text)),
      .agent(AgentAct(.trouble, agent: text, transaction: text, detail: text)),
      .standing(
        AgentStanding(
          agent: text, name: text, registered: true, active: true, lastHeartbeat: 1, paid: "0",
          pending: "0", balance: "1")),
      .session(
        SessionNews(
          text, .step, blocks: text, tokens: 1, position: 1, milliseconds: 1, sessions: 1,
          cacheBytes: 1, cacheBudget: 2)),
      .request(
        OracleAnswer(
          method: text, path: text, status: 400, outcome: .refused, agent: text, reason: text,
          isNearMiss: true, notes: [text])),
      .block(
        BlockNews(
          height: 1, hash: text, timestamp: 1, gas: 1,
          transactions: [
            .init(
              hash: text, from: text, to: text, call: text, detail: text, succeeded: false,
              reason: text, gas: 1)
          ])),
      .fault(FaultNews(.ordered, id: text, order: text)), .generation(began), .generation(token),
      .generation(failed),
      .check(CheckNews(title: text, passed: false, milliseconds: 1, detail: text)),
      .load(
        LoadNews(
          target: text, ended: 1, failed: 1, perSecond: 1, p50: 1, p99: 1, inFlight: 1)),
    ]
  }()

  /// Of parts that are there, and of one that is called by such a text.
  private static func record(in events: EventStream) {
    for part in ["node-1", "oracle", text] {
      for kind in kinds { events.record(part, kind) }
    }
  }

  @Test(
    "On the page they are text: no element comes of them, and nothing of them runs",
    .enabled(if: Browser.isWanted, Browser.absence))
  func page() async throws {
    let events = EventStream()
    try await PageServer(NotedNetwork(), events: events).withServer { address in
      try await Browser.with { browser in
        try await browser.open(address.url)
        try await browser.wait(
          until: "document.getElementById('connection').textContent === 'connected'")
        let elements = "return document.querySelectorAll('img, script').length"
        let before = try await browser.run(elements)
        Self.record(in: events)
        try await browser.wait(
          until: "document.querySelectorAll('#timeline tr').length === \(events.count)")
        #expect(try await browser.run(elements) == before)
        #expect(try await browser.run("return window.pwned ?? null") == .null)
        let shown = try await browser.run(
          "return [...document.querySelectorAll('#timeline tr')].filter(r => /<img src=x/.test(r.textContent)).length"
        )
        // The lines of standings and of tokens are numbers, unless their part is called by it.
        #expect(shown == .integer(events.count - 4), "each is there to read")
        #expect(try await browser.consoleErrors() == [])
      }
    }
  }

  @Test(
    "An event that lacks what its kind has, or has a kind that nobody knows, stops no other one",
    .enabled(if: Browser.isWanted, Browser.absence))
  func strangeEvents() async throws {
    let events = EventStream()
    try await PageServer(NotedNetwork(), events: events).withServer { address in
      try await Browser.with { browser in
        try await browser.open(address.url)
        try await browser.wait(
          until: "document.getElementById('connection').textContent === 'connected'")
        _ = try await browser.run(
          """
          const { model } = window.page;
          const kinds = ["life", "agent", "standing", "session", "request", "block", "fault", "link", "clock",
            "generation", "check", "load", "constructor", "__proto__", "toString", "later"];
          let number = 0;
          for (const kind of kinds) {
            for (const body of [undefined, null, {}, "text", 7]) {
              number += 1;
              model.apply({ number, time: Date.now(), part: "node-1", kind, [kind]: body });
            }
          }
          model.apply({ number: number + 1, time: Date.now(), part: "chain", kind: "clock",
            clock: { seconds: 77 } });
          window.page.ask();
          """)
        try await browser.wait(
          until: "/moved by 77/.test(document.querySelector('#timeline tr')?.textContent)")
        #expect(try await browser.consoleErrors() == [])
      }
    }
  }

  @Test("In a report they are text, whatever they stand in")
  func report() throws {
    let events = EventStream()
    Self.record(in: events)
    let kept = events.kept
    let start = try #require(kept.first?.time)
    let history = NetworkHistory(
      kept, nodes: [.init(name: "node-1", agent: Self.text)], from: start, to: start + 1000)
    let page = ReportDocument(
      title: Self.text, heading: Self.text, hasPassed: false, lines: [Self.text], time: Self.text,
      sections: history.sections + [HTML.table(Self.text, [Self.text], [[Self.text]])],
      origin: .init(machine: Self.text, version: Self.text, command: Self.text)
    ).text
    #expect(!page.contains("<img") && !page.contains("<script") && !page.contains("</script"))
    #expect(page.contains("&lt;img src=x onerror=&quot;"))
    #expect(!page.unicodeScalars.contains("\u{0}") && !page.unicodeScalars.contains("\u{7}"))
  }
}
