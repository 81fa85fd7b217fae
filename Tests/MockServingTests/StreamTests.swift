import HTTPTypes
import MockServing
import PlumiseTesting
import TestSupport
import Testing

@Suite("Streamed answers", .timeLimit(.minutes(5))) struct StreamTests {
  private struct Failure: Error {}

  /// What the streams of a test did.
  private let did = Journal<String>()
  /// A test lets streams go on with it.
  private let gate = Journal<Int>()

  private static func get(
    _ path: String, version: String = "1.1", _ fields: String = ""
  ) -> String {
    "GET \(path) HTTP/\(version)\r\nHost: x\r\n\(fields)\r\n"
  }

  /// Answers by the path of a request.
  private func respond(to request: WebRequest) async -> WebResponse {
    WebResponse(headers: [.contentType: "text/x-pieces"], stream: stream(request.path))
  }

  private func stream(_ path: String) -> WebStream {
    WebStream { [did, gate] writer in
      did.record("begins")
      switch path {
      case "/refused": return .text("refused", status: .conflict)
      case "/throws": throw Failure()
      case "/empty": return nil
      default: break
      }
      try await writer.write([])
      try await writer.write(Array("one".utf8))
      if path == "/breaks" { throw Failure() }
      if path == "/gated" {
        do {
          _ = try await gate.next()
        } catch {
          did.record("is cancelled")
          throw error
        }
      }
      try await writer.write(Array("two".utf8))
      did.record("ends")
      // Comes too late to be the answer.
      return .text("late")
    }
  }

  private func served(
    faults: FaultScript? = nil, _ body: (ServerAddress) async throws -> Void
  ) async throws {
    try await withWebServer(faults: faults, respond: { await respond(to: $0) }, body)
  }

  /// What comes until the server ends a connection.
  private func answer(
    of address: ServerAddress, to request: String
  ) async throws -> String {
    try await RawClient.connected(to: address) { client async throws in
      try await client.send(request)
      return try await client.waitForEnd()
    }
  }

  private func body(of answer: String) throws -> String {
    String(answer[try #require(answer.firstRange(of: "\r\n\r\n")).upperBound...])
  }

  @Test("Pieces come as they are written, in chunks, and the connection goes on")
  func pieces() async throws {
    try await served { address async throws in
      try await RawClient.connected(to: address) { client async throws in
        try await client.send(Self.get("/gated"))
        let begun = try await client.wait(for: "3\r\none\r\n")
        #expect(begun.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(begun.contains("Transfer-Encoding: chunked\r\n"))
        #expect(begun.contains("text/x-pieces") && !begun.contains("Content-Length"))
        #expect(!begun.contains("two"))
        gate.record(1)
        let whole = try await client.wait(for: "0\r\n\r\n")
        #expect(try body(of: whole) == "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
        try await client.send(Self.get("/", "Connection: close\r\n"))
        let both = try await client.waitForEnd().dropFirst(whole.count)
        #expect(both.hasPrefix("HTTP/1.1 200 OK\r\n") && both.contains("Connection: close\r\n"))
        #expect(both.hasSuffix("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"))
      }
    }
  }

  @Test("HTTP/1.0 gets a stream without chunks, until the connection's end")
  func version10() async throws {
    try await served { address async throws in
      let answer = try await answer(
        of: address, to: Self.get("/", version: "1.0", "Connection: keep-alive\r\n"))
      #expect(try body(of: answer) == "onetwo")
      #expect(!answer.contains("chunked") && answer.contains("Connection: close\r\n"))
    }
  }

  @Test("HEAD gets the head of a stream, which is not run")
  func head() async throws {
    try await served { address async throws in
      let answer = try await answer(
        of: address, to: "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      #expect(answer.contains("text/x-pieces") && !answer.contains("Content-Length"))
      #expect(try body(of: answer).isEmpty)
    }
    #expect(did.count == 0)
  }

  @Test("Before its first piece a stream can answer anything else, and after it only end early")
  func failures() async throws {
    try await served { address async throws in
      let refused = try await fetch(address.url + "/refused")
      #expect(refused.status == 409 && refused.text == "refused")
      #expect(try await fetch(address.url + "/throws").status == 500)
      let empty = try await fetch(address.url + "/empty")
      #expect(empty.status == 200 && empty.body.isEmpty && empty.contentType == "text/x-pieces")
      let broken = try await answer(of: address, to: Self.get("/breaks"))
      #expect(try body(of: broken) == "3\r\none\r\n")
    }
  }

  @Test("A client that leaves ends its stream, whichever way it goes", arguments: [true, false])
  func leaves(onlyEndsItsSide: Bool) async throws {
    try await served { address async throws in
      try await RawClient.connected(to: address) { client async throws in
        try await client.send(Self.get("/gated"))
        try await client.wait(for: "one")
        if onlyEndsItsSide { try await client.sendLast("") } else { await client.close() }
        _ = try await did.next { $0 == "is cancelled" }
        if onlyEndsItsSide { #expect(try await !client.waitForEnd().contains("two")) }
      }
    }
  }

  @Test("A client that left with its requests is answered what is no stream, and no more")
  func leftBefore() async throws {
    let respond: @Sendable (WebRequest) async -> WebResponse = { [did] request in
      guard request.path == "/slow" else { return .text("<\(request.path)>") }
      // Time for the end to come.
      for _ in 0..<10 { await Task.yield() }
      return .whileClientWaits {
        _ = try await Journal<Int>().next()
        did.record("ends")
        return .text("late")
      }
    }
    try await withWebServer(respond: respond) { address async throws in
      try await RawClient.connected(to: address) { client async throws in
        try await client.sendLast(["/a", "/slow", "/b"].map { Self.get($0) }.joined())
        let answer = try await client.waitForEnd()
        #expect(try body(of: answer) == "</a>")
      }
    }
    #expect(did.count == 0)
  }

  @Test("An answer that is made while its client waits is one like any other")
  func whileClientWaits() async throws {
    let respond: @Sendable (WebRequest) async -> WebResponse = { _ in
      .whileClientWaits { .text("made", status: .accepted) }
    }
    try await withWebServer(respond: respond) { address async throws in
      let answer = try await fetch(address.url)
      #expect(answer.status == 202 && answer.text == "made")
    }
  }

  @Test("A stream waits for its reader, and one whose reader stands still is let go of")
  func slowReader() async throws {
    let clock = ManualClock()
    let limits = ServerLimits(
      requestTime: .seconds(20), idleTime: .seconds(100_000), clock: clock)
    let stream = WebStream { [did] writer in
      do {
        while true {
          try await writer.write([UInt8](repeating: 0x78, count: 1 << 16))
          did.record("writes")
        }
      } catch {
        did.record("ends")
        throw error
      }
    }
    try await withWebServer(
      ServerConfiguration(limits: limits),
      respond: { $0.path == "/" ? WebResponse(stream: stream) : .text("small") }
    ) { address async throws in
      try await RawClient.connected(to: address, reads: false) { client async throws in
        try await client.send(Self.get("/"))
        _ = try await did.next()
        while !did.entries.contains("ends") {
          try await clock.advanceToNextDeadline()
          // Gives the end the time to come.
          _ = try await fetchOnce(address.url + "/small")
        }
      }
    }
    // What the system's own buffers hold is all that was written.
    #expect(did.count < 1000, "\(did.count) pieces of 64 KiB")
  }

  @Test("A stream in flight is finished before the server stops")
  func stop() async throws {
    try await withThrowingTaskGroup(of: String?.self) { group in
      try await served { address async throws in
        group.addTask { try await fetch(address.url + "/gated").text }
        _ = try await did.next()
        group.addTask {
          gate.record(1)
          return nil
        }
      }
      var texts: [String] = []
      for try await text in group { if let text { texts.append(text) } }
      #expect(texts == ["onetwo"])
    }
  }

  @Test("Faults meet a stream amid a piece, at its head, at its pace, and after it")
  func faults() async throws {
    let faults = FaultScript()
    faults.add(.drop(.midBody(after: 4)))
    faults.add(.drop(.midBody(after: 0)))
    faults.add(.drop(.afterAnswer))
    faults.add(.slowBody(.init(bytes: 2, pause: .zero)))
    faults.add(.wrongContentType)
    try await served(faults: faults) { address async throws in
      var bodies: [String] = []
      for _ in 0..<5 {
        let answer = try await answer(
          of: address, to: Self.get("/", bodies.count < 3 ? "" : "Connection: close\r\n"))
        bodies.append(try body(of: answer))
        #expect(answer.contains("text/html") == (bodies.count == 5))
      }
      let whole = "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
      let slow = "2\r\non\r\n1\r\ne\r\n2\r\ntw\r\n1\r\no\r\n0\r\n\r\n"
      #expect(bodies == ["3\r\none\r\n1\r\nt\r\n", "", whole, slow, whole])
    }
  }

  @Test("A connection can be reset amid a stream, and its answer get lost when all is done")
  func drops() async throws {
    let faults = FaultScript()
    faults.add(.drop(.midBody(after: 4), .reset))
    faults.add(.drop(.beforeAnswer, .reset))
    try await served(faults: faults) { address async throws in
      await #expect(throws: (any Error).self) { try await fetch(address.url, "POST", body: []) }
      #expect(!did.entries.contains("ends"))
      #expect(try await answer(of: address, to: Self.get("/")).isEmpty)
      #expect(did.entries.contains("ends"))
    }
    #expect(faults.isExhausted)
  }

  @Test("A fault that changes an answer changes what a stream answers in its place")
  func alters() async throws {
    let faults = FaultScript()
    faults.add(.malformedJSON)
    try await served(faults: faults) { address async throws in
      let answer = try await fetch(address.url + "/refused")
      #expect(answer.status == 409 && answer.text == "ref")
    }
  }
}

@Suite("What a service tells its server", .timeLimit(.minutes(5))) struct ServerConfigurationTests {
  private func exchange(
    _ configuration: ServerConfiguration, _ request: String
  ) async throws -> String {
    try await withWebServer(
      configuration,
      respond: { request in
        let isLast = request.path == "/last"
        return WebResponse(
          headers: isLast ? [.connection: "close"] : [:], body: Array("<\(request.path)>".utf8))
      }
    ) { address async throws in
      try await RawClient.connected(to: address) { client async throws in
        try await client.send(request)
        return try await client.waitForEnd()
      }
    }
  }

  private let last = "GET /last HTTP/1.1\r\nHost: x\r\n\r\nGET /no HTTP/1.1\r\nHost: x\r\n\r\n"

  @Test("A response that asks for the connection's end is the last")
  func closes() async throws {
    let answer = try await exchange(ServerConfiguration(), last)
    #expect(answer.contains("Connection: close\r\n") && answer.hasSuffix("</last>"))
  }

  @Test("A request that expects 100 may be answered by its head, and only then sends no body")
  func answersBeforeBody() async throws {
    let configuration = ServerConfiguration(answerBeforeBody: { request in
      request.path == "/no" ? .text("<no>", status: .forbidden) : nil
    })
    let fields = "Host: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\nConnection: close\r\n\r\n"
    let refused = try await exchange(configuration, "POST /no HTTP/1.1\r\n\(fields)")
    #expect(refused.hasPrefix("HTTP/1.1 403 ") && refused.hasSuffix("<no>"))
    let taken = try await exchange(configuration, "POST /yes HTTP/1.1\r\n\(fields)x")
    #expect(taken.hasPrefix("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"))
    // Who does not ask is not answered before the end of its request.
    let plain = "POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
    #expect(try await exchange(configuration, plain).hasSuffix("</no>"))
  }

  @Test("What the server refuses is said in the service's words")
  func errors() async throws {
    let configuration = ServerConfiguration(errorResponse: { .text("<\($0)>", status: $0.status) })
    let long = "GET / HTTP/1.1\r\nHost: x\r\nX: " + String(repeating: "a", count: 40_000)
    for (request, error) in [
      ("rubbish\r\n\r\n", RequestError.malformed), (long + "\r\n\r\n", .headerTooLong),
    ] {
      let answer = try await exchange(configuration, request)
      #expect(answer.hasPrefix("HTTP/1.1 \(error.status.code) "), "\(answer)")
      #expect(answer.hasSuffix("<\(error)>") && answer.contains("Connection: close\r\n"))
    }
    // What follows a request without a host can be told from it.
    let answer = try await exchange(configuration, "GET / HTTP/1.1\r\n\r\n" + last)
    #expect(answer.hasPrefix("HTTP/1.1 400 ") && answer.contains("<\(RequestError.invalidHost)>"))
    #expect(answer.hasSuffix("</last>"))
  }

  @Test("The grace period of a stop passes on the clock that was given")
  func grace() async throws {
    let clock = ManualClock()
    let began = Journal<Int>()
    let cancelled = Journal<Int>()
    let goOn = Journal<Int>()
    let serving = Task {
      try await withWebServer(
        ServerConfiguration(gracePeriod: .seconds(3600), graceClock: clock),
        respond: { _ in
          began.record(1)
          do { _ = try await goOn.next() } catch { cancelled.record(1) }
          return WebResponse()
        }
      ) { address async throws in
        let client = try await RawClient(address)
        try await client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        _ = try await began.next()
      }
    }
    #expect(try await clock.advanceToNextDeadline() == .seconds(3600))
    try await endsInTime(
      butCame: "the request goes on after the grace period", release: { goOn.record(1) }
    ) { try await serving.value }
    #expect(cancelled.count == 1)
  }
}
