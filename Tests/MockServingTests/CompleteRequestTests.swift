import MockServing
import PlumiseTesting
import TestSupport
import Testing

@Suite("Answers that must not get lost", .timeLimit(.minutes(5))) struct CompleteRequestTests {
  private func request(_ path: String, _ fields: String = "", body: String = "") -> String {
    "POST \(path) HTTP/1.1\r\nHost: x\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
  }

  private func served(
    faults: FaultScript? = nil, seen: Journal<String> = Journal(),
    _ body: (ServerAddress) async throws -> Void
  ) async throws {
    try await withWebServer(
      faults: faults,
      respond: { request in
        seen.record(request.path)
        // Gives what stands behind the request the time to come.
        for _ in 0..<10 { await Task.yield() }
        return .text("<\(request.path)>")
      }, body)
  }

  /// The bodies of the answers and the statuses of those without one, in order.
  private func answers(in text: String) -> [String] {
    text.split(separator: "HTTP/1.1 ").map { answer in
      answer.split(separator: "<").last.map { "<" + $0 }.flatMap { $0.hasSuffix(">") ? $0 : nil }
        ?? String(answer.prefix(3))
    }
  }

  @Test("A client that ends its side after complete requests gets every answer, in order")
  func halfClosed() async throws {
    try await served { address async throws in
      for _ in 0..<30 {
        for count in [1, 3] {
          let paths = (0..<count).map { "/\($0)" }
          try await RawClient.connected(to: address) { client async throws in
            try await client.sendLast(paths.map { request($0, body: "abc") }.joined())
            let text = try await client.waitForEnd()
            #expect(answers(in: text) == paths.map { "<\($0)>" })
          }
        }
      }
    }
  }

  @Test("A client that ends its side amid a request gets the answers before it, and 400")
  func halfClosedAmid() async throws {
    let rest = ["POST / HT", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"]
    try await served { address async throws in
      for half in rest {
        for first in ["", request("/0")] {
          try await RawClient.connected(to: address) { client async throws in
            try await client.sendLast(first + half)
            let expected = first.isEmpty ? ["400"] : ["</0>", "400"]
            #expect(answers(in: try await client.waitForEnd()) == expected, "\(first + half)")
          }
        }
      }
    }
  }

  @Test(
    "Bytes behind a request that asked for the connection's end are ignored",
    arguments: [
      "x", "\r\n", "GET /second HTTP/1.1\r\nHost: x\r\n\r\n",
      String(repeating: "x", count: 300_000),
    ])
  func behindTheLast(bytes: String) async throws {
    let seen = Journal<String>()
    try await served(seen: seen) { address async throws in
      for _ in 0..<10 {
        try await RawClient.connected(to: address) { client async throws in
          try await client.send(request("/first", "Connection: close\r\n", body: "abc") + bytes)
          #expect(answers(in: try await client.waitForEnd()) == ["</first>"])
        }
      }
    }
    #expect(!seen.entries.contains("/second"))
  }

  @Test("Complete requests before bytes that are no HTTP are answered in order, the rest with 400")
  func rubbishBehind() async throws {
    try await served { address async throws in
      for rubbish in ["rubbish\r\n\r\n", "\u{01}\u{02}", "GET / HTTP/9.9\r\n\r\n"] {
        for endsSide in [false, true] {
          try await RawClient.connected(to: address) { client async throws in
            let text = request("/0") + request("/1", body: "a") + rubbish
            if endsSide { try await client.sendLast(text) } else { try await client.send(text) }
            #expect(answers(in: try await client.waitForEnd()) == ["</0>", "</1>", "400"])
          }
        }
      }
    }
  }

  @Test("An answer longer than the client reads at once comes whole after the client's end")
  func longAnswer() async throws {
    try await withWebServer(respond: { _ in .text(String(repeating: "z", count: 3 << 20)) }) {
      address async throws in
      try await RawClient.connected(to: address) { client async throws in
        try await client.sendLast(request("/0"))
        #expect(try await client.waitForEnd().utf8.count { $0 == UInt8(ascii: "z") } == 3 << 20)
      }
    }
  }

  @Test("A request for another protocol is answered in this one, and the connection ends")
  func otherProtocol() async throws {
    try await served { address async throws in
      for head in [
        request("/0", "Connection: Upgrade\r\nUpgrade: h2c\r\n", body: "abc"),
        "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
      ] {
        try await RawClient.connected(to: address) { client async throws in
          try await client.send(head)
          #expect(answers(in: try await client.waitForEnd()).count == 1)
        }
      }
    }
  }

  @Test("A client that is never answered and leaves takes its connection with it")
  func leaves() async throws {
    let faults = FaultScript()
    faults.add(.neverAnswer)
    try await served(faults: faults) { address async throws in
      try await RawClient.connected(to: address) { client async throws in
        try await client.sendLast(request("/0"))
        #expect(try await client.waitForEnd() == "")
      }
    }
  }

  @Test("A server that stops does not wait for clients that keep their side open")
  func stops() async throws {
    var client: RawClient?
    // A server that waited would wait for a day.
    try await withWebServer(
      ServerConfiguration(gracePeriod: .seconds(86_400)), respond: { _ in .text("ok") }
    ) { address async throws in
      let silent = try await RawClient(address, reads: false)
      try await silent.send(request("/0", "Connection: close\r\n"))
      // Its answer is out when the next one's is.
      _ = try await fetchOnce(address.url)
      client = silent
    }
    await client?.close()
  }
}
