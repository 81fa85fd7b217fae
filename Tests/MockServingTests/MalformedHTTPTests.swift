import MockServing
import NIOCore
import PlumiseTesting
import TestSupport
import Testing

@Suite("Malformed HTTP", .timeLimit(.minutes(5))) struct MalformedHTTPTests {
  private func served(
    _ limits: ServerLimits = ServerLimits(), _ body: (ServerAddress) async throws -> Void
  ) async throws {
    try await withWebServer(
      ServerConfiguration(limits: limits), respond: { .text("\($0.body.count) bytes") }
    ) { address async throws in
      try await body(address)
      // Whatever came before, the next client is served.
      let answer = try await fetchOnce(address.url)
      #expect(answer.status == 200)
    }
  }

  @Test(
    "What is no HTTP is answered 400, and the connection ends",
    arguments: [
      "hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET\r\n\r\n", "\u{01}\u{02}\u{03}\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\n: no name\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: five\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
    ])
  func garbage(bytes: String) async throws {
    try await served { address async throws in
      try await RawClient.connected(to: address) { client async throws in
        try await client.send(bytes)
        let answer = try await client.waitForEnd()
        #expect(answer.hasPrefix("HTTP/1.1 400 "), "\(answer)")
      }
    }
  }

  @Test(
    "A head that is too long is answered 431, whichever part of it is",
    arguments: [
      "GET / HTTP/1.1\r\nHost: x\r\nX: " + String(repeating: "a", count: 40_000) + "\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\n"
        + (0..<2000).map { "X-\($0): some value that is not short\r\n" }.joined() + "\r\n",
      "GET /" + String(repeating: "a", count: 300_000) + " HTTP/1.1\r\nHost: x\r\n\r\n",
    ])
  func longHead(bytes: String) async throws {
    try await served { address async throws in
      try await RawClient.connected(to: address) { client async throws in
        try await client.send(bytes)
        let answer = try await client.waitForEnd()
        #expect(answer.hasPrefix("HTTP/1.1 431 "), "\(answer.prefix(100))")
      }
    }
  }

  @Test("Chunks, pipelined requests and an expected 100 are HTTP")
  func valid() async throws {
    try await served { address async throws in
      try await RawClient.connected(to: address) { client async throws in
        try await client.send(
          "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
            + "GET / HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"
        )
        try await client.wait(for: "5 bytes")
        try await client.wait(for: "0 bytes")
        try await client.wait(for: "1 bytes")
        try await client.send(
          "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        try await client.wait(for: "HTTP/1.1 100 Continue")
        try await client.send("abcdGET / HTTP/1.0\r\n\r\n")
        try await client.wait(for: "4 bytes")
        // HTTP/1.0 does not keep a connection alive.
        try await client.waitForEnd()
      }
    }
  }

  @Test("A request that trickles in is cut off after the request time, others are served meanwhile")
  func slowLoris() async throws {
    let clock = ManualClock()
    let limits = ServerLimits(requestTime: .seconds(20), idleTime: .seconds(100), clock: clock)
    try await served(limits) { address async throws in
      for start in [
        "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
      ] {
        try await RawClient.connected(to: address) { loris async throws in
          try await loris.send(start)
          for _ in 0..<3 {
            // A kept connection may be closed for idleness just when it is asked.
            #expect(try await fetchOnce(address.url).status == 200)
            clock.advance(by: limits.requestTime / 4)
            try await loris.send("x")
          }
          #expect(loris.ended.count == 0)
          let limit = clock.now.offset + .seconds(10_000)
          while loris.ended.count == 0, clock.now.offset < limit {
            try await clock.advanceToNextDeadline()
            // Gives the end the time to come.
            _ = try await fetchOnce(address.url)
          }
          #expect(try await loris.waitForEnd() == "")
        }
      }
    }
  }

  @Test("A connection that is idle for too long is closed, a younger one is not")
  func idle() async throws {
    let clock = ManualClock()
    let limits = ServerLimits(requestTime: .seconds(40), idleTime: .seconds(60), clock: clock)
    try await served(limits) { address async throws in
      try await RawClient.connected(to: address) { old async throws in
        try await old.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        try await old.wait(for: "0 bytes")
        clock.advance(by: .seconds(50))
        try await RawClient.connected(to: address) { young async throws in
          try await young.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
          try await young.wait(for: "0 bytes")
          clock.advance(by: .seconds(20))
          try await old.waitForEnd()
          try await young.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
          try await young.wait(for: "0 bytesHTTP/1.1 200 OK")
        }
      }
    }
  }

  @Test("One connection too many is answered 503, and room is made by one that ends")
  func connections() async throws {
    let gate = ServerLimits(connections: 3)
    try await withWebServer(ServerConfiguration(limits: gate), respond: { _ in .text("ok") }) {
      address async throws in
      var clients: [RawClient] = []
      for _ in 0..<3 {
        let client = try await RawClient(address)
        try await client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        try await client.wait(for: "ok")
        clients.append(client)
      }
      let late = try await RawClient(address)
      #expect(try await late.waitForEnd().hasPrefix("HTTP/1.1 503 "))
      await clients.removeLast().close()
      // The server learns of the end a moment later.
      var isServed = false
      for _ in 0..<1000 where !isServed {
        isServed = try await RawClient.connected(to: address) { next async throws in
          // Who is not let in may find the connection closed already.
          do { try await next.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n") } catch is ChannelError {}
          return try await next.received.next().contains("200 OK")
        }
      }
      #expect(isServed)
      for client in clients { await client.close() }
    }
  }

  @Test("Idle connections keep nobody from being served")
  func manyIdle() async throws {
    try await served { address async throws in
      var idle: [RawClient] = []
      for _ in 0..<200 { idle.append(try await RawClient(address)) }
      #expect(try await fetch(address.url).status == 200)
      for client in idle { await client.close() }
    }
  }
}
