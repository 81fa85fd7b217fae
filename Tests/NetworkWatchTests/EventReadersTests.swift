import MockServing
import NetworkWatch
import TestSupport
import Testing

@Suite("Readers of events", .timeLimit(.minutes(5)))
struct EventReadersTests {
  private static let count = 400
  /// So long that all events together are more than one reading gives.
  private static let text = String(repeating: "x", count: 900)

  /// The numbers of the events in what a reader got.
  private static func numbers(_ text: String) -> [Int] {
    text.split(separator: "\n").compactMap { line in
      line.hasPrefix("id: ") ? Int(line.dropFirst(4)) : nil
    }
  }

  @Test("A hundred readers get every event in order, beside one that never reads")
  func many() async throws {
    let events = EventStream()
    func record() { events.record("node-1", .agent(AgentAct(.trouble, detail: Self.text))) }
    // Most of them come before the readers: to wake a hundred readers for each takes its time.
    for _ in 0..<(Self.count - 20) { record() }
    try await PageServer(NotedNetwork(), events: events).withServer { address in
      try await RawClient.connected(to: address, reads: false, receiveBuffer: 4096) {
        stalled async throws in
        try await stalled.send("GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        async let answers = fetch("\(address.url)/events", times: 100)
        for _ in 0..<20 { record() }
        events.close()
        let found = try await answers.map { Self.numbers($0.text) }
        #expect(found.count == 100)
        #expect(found.allSatisfy { $0 == Array(1...Self.count) })
      }
    }
  }
}
