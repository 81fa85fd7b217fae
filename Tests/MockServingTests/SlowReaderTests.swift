import MockServing
import PlumiseTesting
import TestSupport
import Testing

@Suite("Slow readers", .timeLimit(.minutes(5))) struct SlowReaderTests {
  private let clock = ManualClock()

  private func served(
    bytes: Int, connections: Int = 10, maximumBodyBytes: Int = 1 << 20,
    handled: Journal<Int> = Journal(),
    _ body: (ServerAddress) async throws -> Void
  ) async throws {
    let limits = ServerLimits(
      connections: connections, requestTime: .seconds(20), idleTime: .seconds(100_000), clock: clock
    )
    let answer = WebResponse.text(String(repeating: "x", count: bytes))
    try await withWebServer(
      ServerConfiguration(maximumBodyBytes: maximumBodyBytes, limits: limits),
      respond: { request in
        guard request.path == "/" else { return .text("small") }
        handled.record(1)
        return answer
      }, body)
  }

  /// Lets time pass until the server's one place is free again: a peer that does not read learns of
  /// nothing itself.
  private func passTime(untilFree address: ServerAddress) async throws {
    for _ in 0..<2000 {
      try await clock.advanceToNextDeadline()
      if try await probe(address).contains("200 OK") { return }
    }
    Issue.record("after \(clock.now.offset) the connection is open still")
  }

  /// What the server answers on a connection of its own.
  private func probe(_ address: ServerAddress) async throws -> String {
    let probe = try await RawClient(address)
    do {
      try await probe.send("GET /probe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    } catch {
      // Refused before it could ask.
    }
    return try await probe.waitForEnd()
  }

  /// Lets time pass until the server has ended a connection, far from the idle time.
  private func passTime(until client: RawClient, at address: ServerAddress) async throws {
    while client.ended.count == 0, clock.now.offset < .seconds(10_000) {
      try await clock.advanceToNextDeadline()
      // Gives the end the time to come.
      _ = try await probe(address)
    }
    try await client.waitForEnd()
    #expect(clock.now.offset < .seconds(10_000))
  }

  @Test("A peer that asks on and on and never reads is not answered on and on, and is let go of")
  func pipelining() async throws {
    let handled = Journal<Int>()
    try await served(bytes: 1 << 20, connections: 1, handled: handled) { address async throws in
      try await RawClient.connected(to: address, reads: false) { client async throws in
        try await client.send(
          String(repeating: "GET / HTTP/1.1\r\nHost: oracle\r\n\r\n", count: 400))
        _ = try await handled.next()
        try await passTime(untilFree: address)
        // What the system's own buffers hold is all that was answered.
        #expect(handled.count < 100, "\(handled.count) answers of 1 MiB")
      }
    }
  }

  @Test("A peer that reads late gets every answer, in order")
  func late() async throws {
    try await served(bytes: 150_000) { address async throws in
      try await RawClient.connected(to: address) { client async throws in
        try await client.send(
          String(repeating: "GET / HTTP/1.1\r\nHost: oracle\r\n\r\n", count: 9)
            + "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        let all = try await client.waitForEnd()
        #expect(all.split(separator: "HTTP/1.1 200 OK").count == 10)
        #expect(all.utf8.count { $0 == UInt8(ascii: "x") } >= 10 * 150_000)
      }
    }
  }

  @Test("A peer that never reads its last answer is let go of")
  func lastAnswer() async throws {
    let handled = Journal<Int>()
    try await served(bytes: 32 << 20, connections: 1, handled: handled) { address async throws in
      try await RawClient.connected(to: address, reads: false) { client async throws in
        try await client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        _ = try await handled.next()
        try await passTime(untilFree: address)
      }
    }
  }

  @Test("A peer that never sends the rest of a body that was refused is let go of")
  func refusedBody() async throws {
    try await served(bytes: 1, maximumBodyBytes: 10) { address async throws in
      try await RawClient.connected(to: address) { client async throws in
        try await client.send(
          "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n0123456789abcdef")
        try await client.wait(for: "HTTP/1.1 413 ")
        try await passTime(until: client, at: address)
      }
    }
  }
}
