import Foundation
import JSONValues
import NetworkWatch
import Testing

@Suite("Event stream")
struct EventStreamTests {
  /// One event of each kind, with every member that it may have.
  static let all: [WatchedKind] = {
    var token = GenerationNews(3, .token)
    token.index = 1
    token.token = 77
    token.text = "é\n"
    token.rank = 2
    token.milliseconds = 12.5
    token.hops = [
      GenerationNews.Hop(
        part: "node-1", blocks: "0-11", milliseconds: 3.25, computeMilliseconds: 2)
    ]
    return [
      .life(
        PartLife(.failed, process: 7, url: "http://127.0.0.1:1", blocks: "0-1", reason: "gone")),
      .agent(AgentAct(.proved, agent: "0xA", transaction: "0xB", tokens: 9, detail: "0xC")),
      .standing(
        AgentStanding(
          agent: "0xA", name: "tiny", registered: true, active: true, lastHeartbeat: 5, paid: "0",
          pending: "12", balance: "1")),
      .session(
        SessionNews(
          "ab", .step, blocks: "0-11", tokens: 4, position: 8, milliseconds: 1.5, sessions: 1,
          cacheBytes: 1024, cacheBudget: 4096)),
      .request(
        OracleAnswer(
          method: "POST", path: "/api", status: 401, outcome: .refused, agent: "0xA", tokens: 1,
          reason: "no", isNearMiss: true, notes: ["late"])),
      .block(
        BlockNews(
          height: 2, hash: "0xH", timestamp: 9, gas: 21_000,
          transactions: [
            .init(
              hash: "0xT", from: "0xF", to: nil, call: "creation", detail: "x", succeeded: false,
              reason: "reverted", gas: 5)
          ])),
      .fault(FaultNews(.takenBack, id: "1", order: "{}")), .link(LinkNews(.slow, milliseconds: 80)),
      .clock(ClockNews(seconds: 3600)), .generation(token),
      .check(CheckNews(title: "up", passed: true, milliseconds: 2, detail: "d")),
      .load(
        LoadNews(
          target: "oracle http://127.0.0.1:1", ended: 9, failed: 1, perSecond: 4, p50: 1.5, p99: 2,
          inFlight: 3)),
    ]
  }()

  @Test("An event of each kind survives its line of JSON", arguments: all)
  func lines(_ kind: WatchedKind) throws {
    let event = WatchedEvent("node-1", kind, at: Date(timeIntervalSince1970: 1_764_442_000.125))
    #expect(try WatchedEvent(line: event.line) == event)
    #expect(!event.line.contains("\n"))
    #expect(try ObservedLine.event(in: ObservedLine.text(of: event)) == event)
    let json = try JSON.parse(event.line)
    let name = try #require(json["kind"]?.stringValue)
    #expect(json["part"] == "node-1" && json["time"]?.doubleValue == 1_764_442_000_125)
    #expect(json[name]?.objectValue != nil, "the member has the kind's name")
  }

  @Test("Members have names in small letters with underscores")
  func names() throws {
    let json = try JSON.parse(WatchedEvent("node-1", Self.all[3]).line)
    let session = try #require(json["session"]?.objectValue)
    #expect(Set(session.keys).isSuperset(of: ["cache_bytes", "cache_budget", "milliseconds"]))
  }

  @Test("A line that says no event is told from one that cannot be read")
  func otherLines() throws {
    #expect(try ObservedLine.event(in: #"{"event":"listening","url":"x"}"#) == nil)
    #expect(throws: DecodingError.self) {
      try ObservedLine.event(in: #"{"event":"observed","kind":"none"}"#)
    }
    #expect(throws: DecodingError.self) {
      try WatchedEvent(line: #"{"number":1,"time":1,"part":"x","kind":"life"}"#)
    }
  }

  @Test("Each reader gets every event once and in order, those before it began as well")
  func readers() async throws {
    let events = EventStream()
    func read() async throws -> [Int] {
      var numbers: [Int] = []
      while let batch = try? await events.entries(after: numbers.last ?? 0), !batch.isEmpty {
        numbers += batch.map(\.event.number)
      }
      return numbers
    }
    for seconds in 1...500 { events.record("chain", .clock(ClockNews(seconds: seconds))) }
    async let first = read()
    async let second = read()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        group.addTask {
          for _ in 0..<500 { events.record("chain", .clock(ClockNews(seconds: 1))) }
        }
      }
    }
    events.close()
    let numbers = try await [first, second]
    #expect(numbers == [Array(1...2500), Array(1...2500)])
  }

  @Test("A late reader of a full stream begins with the oldest event that is kept")
  func capacity() async throws {
    let events = EventStream(capacity: 10)
    for seconds in 1...25 { events.record("chain", .clock(ClockNews(seconds: seconds))) }
    let kept = try await events.entries(after: 3).map(\.event)
    #expect(kept.map(\.number) == Array(16...25))
    #expect(kept.map(\.kind) == (16...25).map { .clock(ClockNews(seconds: $0)) })
    #expect(try await events.entries(after: 20).map(\.event.number) == Array(21...25))
  }

  @Test("The events of a stream that is full of long texts take no more memory than it may have")
  func byteLimit() async throws {
    let events = EventStream(byteLimit: 100_000)
    let text = String(repeating: "x", count: 900)
    for _ in 0..<200 { events.record("node-1", .agent(AgentAct(.trouble, detail: text))) }
    let kept = events.kept
    #expect(kept.last?.number == 200 && kept.first?.number == 200 - kept.count + 1)
    // About three times a line of 1000 bytes for each.
    #expect((25...40).contains(kept.count), "\(kept.count) events")
    #expect(try await events.entries(after: 0).first?.event.number == kept.first?.number)
    // One that is too long by itself is kept until the next one comes.
    let small = EventStream(byteLimit: 1)
    for number in 1...3 { small.record("chain", .clock(ClockNews(seconds: number))) }
    #expect(small.kept.map(\.number) == [3])
  }

  @Test("A reader gets no more at once than 256 KiB, and all of it one after another")
  func batches() async throws {
    let events = EventStream()
    let text = String(repeating: "x", count: 900)
    for _ in 0..<700 { events.record("node-1", .agent(AgentAct(.trouble, detail: text))) }
    events.close()
    var numbers: [Int] = []
    while case let batch = try await events.entries(after: numbers.last ?? 0), !batch.isEmpty {
      #expect(batch.reduce(0) { $0 + $1.line.utf8.count } <= 256 << 10)
      #expect(batch.count > 200 || batch.last?.event.number == 700)
      numbers += batch.map(\.event.number)
    }
    #expect(numbers == Array(1...700))
  }

  @Test("Of long texts from outside an event has the beginning, and says how long they are")
  func longTexts() throws {
    let long = String(repeating: "é<", count: 30_000)
    var began = GenerationNews(1, .began)
    began.prompt = long
    let kinds: [WatchedKind] = [
      .generation(began), .agent(AgentAct(.trouble, detail: long)),
      .life(PartLife(.failed, reason: long)),
      .request(
        OracleAnswer(
          method: "POST", path: long, status: 400, outcome: .refused, reason: long,
          isNearMiss: true, notes: [String](repeating: long, count: 100))),
      .block(
        BlockNews(
          height: 1, hash: "0xH", timestamp: 1, gas: 1,
          transactions: [
            .init(
              hash: "0xT", from: "0xF", to: nil, call: "call", detail: long, succeeded: false,
              reason: long, gas: 1)
          ])),
      .standing(
        AgentStanding(
          agent: "0xA", name: long, registered: true, active: true, lastHeartbeat: 5, paid: "0",
          pending: "0", balance: "1")), .fault(FaultNews(.ordered, id: "1", order: long)),
      .check(CheckNews(title: "t", passed: false, milliseconds: 1, detail: long)),
    ]
    for kind in kinds {
      let line = WatchedEvent("node-1", kind).line
      #expect(line.utf8.count < 50_000, "\(line.utf8.count) bytes: \(line.prefix(80))")
      #expect(line.contains("é<é<… (90000 bytes)"), "\(line.prefix(80))")
    }
    // A single character of many signs is no way around it.
    let stacked = "a" + String(repeating: "\u{301}", count: 100_000)
    let event = WatchedEvent("node-1", .agent(AgentAct(.trouble, detail: stacked)))
    #expect(event.line.utf8.count < 3000)
    let short = String(repeating: "é", count: WatchedKind.longestText)
    #expect(
      WatchedEvent("node-1", .agent(AgentAct(.trouble, detail: short))).kind
        == .agent(AgentAct(.trouble, detail: short)))
  }

  @Test("The sink gets every event, those behind the end as well; readers get the end")
  func sink() async throws {
    let (lines, continuation) = AsyncStream.makeStream(of: String.self)
    let events = EventStream { continuation.yield($0.line) }
    events.record("chain", .clock(ClockNews(seconds: 1)))
    events.close()
    events.record("chain", .clock(ClockNews(seconds: 2)))
    continuation.finish()
    let written = await lines.reduce(into: []) { $0.append($1) }
    #expect(try written.map { try WatchedEvent(line: $0).number } == [1, 2])
    #expect(try await events.entries(after: 2).isEmpty)
  }

  @Test("Whoever asks for events behind any number there can be gets the end of the stream")
  func beyond() async throws {
    let events = EventStream()
    events.record("chain", .clock(ClockNews(seconds: 1)))
    events.close()
    #expect(try await events.entries(after: .max).isEmpty)
    #expect(events.kept.map(\.number) == [1])
  }

  @Test("Who waits is cancelled")
  func cancellation() async throws {
    let events = EventStream()
    let task = Task { try await events.entries(after: 0) }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }
}
