import HTTPTypes
import MockServing
import PlumiseTesting
import TestSupport
import Testing

@Suite("WebSocket", .timeLimit(.minutes(5))) struct WebSocketTests {
  private typealias Frame = RawWebSocket.Frame

  /// What the service saw.
  private let seen = Journal<WebSocketMessage>()
  private let peers = Journal<WebSocketPeer>()
  private let ended = Journal<ObjectIdentifier>()

  /// A service that answers a message with itself.
  private var echo: WebSocketService {
    WebSocketService(
      maximumMessageBytes: 1000, ended: { [ended] in ended.record(ObjectIdentifier($0)) },
      respond: { [seen, peers] message, peer in
        seen.record(message)
        peers.record(peer)
        if message.bytes == Array("push".utf8) {
          peer.push(WebSocketMessage(.text, Array("pushed".utf8)))
        }
        return message.bytes == Array("silence".utf8) ? nil : message
      })
  }

  private func served(
    _ configuration: ServerConfiguration = ServerConfiguration(), faults: FaultScript? = nil,
    _ body: (RawWebSocket) async throws -> Void
  ) async throws {
    try await withWebServer(
      configuration, faults: faults, webSocket: echo,
      respond: { .text("over HTTP: \($0.path)") }
    ) { address in
      try await RawWebSocket.connected(to: address, body)
    }
  }

  private func answer(to handshake: String) async throws -> String {
    try await withWebServer(webSocket: echo, respond: { .text("over HTTP: \($0.path)") }) {
      try await RawClient.connected(to: $0) { client in
        try await client.sendLast(handshake)
        return try await client.waitForEnd()
      }
    }
  }

  @Test("The handshake of RFC 6455 is answered as the RFC says")
  func handshake() async throws {
    try await served { client in
      let head = try await client.head.next()
      #expect(head.hasPrefix("HTTP/1.1 101 Switching Protocols\r\n"))
      let fields = head.lowercased()
      #expect(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
      #expect(fields.contains("upgrade: websocket") && fields.contains("connection: upgrade"))
    }
  }

  @Test(
    "A handshake that is none is told what it lacks",
    arguments: [
      ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8", 426, "Sec-WebSocket-Version: 13"),
      ("Sec-WebSocket-Version: 13\r\n", "", 426, "Sec-WebSocket-Version: 13"),
      ("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", 400, "Sec-WebSocket-Key is not 16 bytes"),
      ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR==", 400, "Sec-WebSocket-Key"),
      ("Connection: Upgrade", "Connection: close", 400, "Connection does not name Upgrade"),
      ("GET /chat", "POST /chat", 400, "GET request"),
      ("HTTP/1.1", "HTTP/1.0", 400, "GET request of HTTP/1.1"),
    ])
  func noHandshake(part: String, replacement: String, status: Int, words: String) async throws {
    let request = RawWebSocket.handshake.replacing(part, with: replacement)
    #expect(request != RawWebSocket.handshake)
    let answer = try await answer(to: request)
    #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
    #expect(answer.contains(words), "\(answer)")
  }

  @Test("A server without WebSocket answers the request over HTTP")
  func withoutService() async throws {
    let answer = try await withWebServer(respond: { .text("over HTTP: \($0.path)") }) {
      try await RawClient.connected(to: $0) { client in
        try await client.sendLast(RawWebSocket.handshake)
        return try await client.waitForEnd()
      }
    }
    #expect(answer.hasSuffix("over HTTP: /chat"))
  }

  @Test("The frames of RFC 6455's examples are understood, and answered unmasked")
  func examples() async throws {
    try await served { client in
      // §5.7: a masked text message "Hello", the same in two fragments, and a ping with it.
      try await client.send([
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
      ])
      try await client.send(0x01, Array("Hel".utf8))
      try await client.send(0x89, Array("Hello".utf8))
      try await client.send(0x80, Array("lo".utf8))
      try await client.send(0x82, [0, 255, 128])
      let frames = try await client.frames.wait(forCount: 4)
      #expect(
        Set(frames) == [
          Frame(0x81, "Hello"), Frame(0x8a, "Hello"), Frame(0x82, [0, 255, 128]),
        ])
      #expect(
        seen.entries == [
          WebSocketMessage(.text, Array("Hello".utf8)),
          WebSocketMessage(.text, Array("Hello".utf8)), WebSocketMessage(.binary, [0, 255, 128]),
        ])
    }
  }

  @Test(
    "What breaks the protocol ends the connection with the code for it",
    arguments: [
      ("an unmasked frame", [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f], 1002),
      ("a reserved bit", RawWebSocket.masked(0xc1, [0x61]), 1002),
      ("an unknown opcode", RawWebSocket.masked(0x83, [0x61]), 1002),
      ("a continuation of nothing", RawWebSocket.masked(0x80, [0x61]), 1002),
      ("a ping in fragments", RawWebSocket.masked(0x09, [0x61]), 1002),
      (
        "a message amid another",
        RawWebSocket.masked(0x01, [0x61]) + RawWebSocket.masked(0x81, [0x61]), 1002
      ),
      ("text that is no UTF-8", RawWebSocket.masked(0x81, [0xc3, 0x28]), 1007),
      (
        "a frame that is too long", RawWebSocket.masked(0x81, .init(repeating: 97, count: 1001)),
        1009
      ),
      (
        "a message that is too long",
        RawWebSocket.masked(0x01, .init(repeating: 97, count: 600))
          + RawWebSocket.masked(0x80, .init(repeating: 97, count: 401)), 1009
      ),
      ("a close frame of one byte", RawWebSocket.masked(0x88, [3]), 1002),
      ("a close frame with 1005", RawWebSocket.masked(0x88, [3, 0xed]), 1002),
      ("a reason that is no UTF-8", RawWebSocket.masked(0x88, [3, 0xe8, 0xff]), 1007),
    ] as [(String, [UInt8], UInt16)])
  func violations(what: String, bytes: [UInt8], code: UInt16) async throws {
    try await served { client in
      try await client.send(bytes)
      #expect(try await client.frames.next() == .close(code), "\(what)")
      #expect(try await client.ended.next() == "")
      #expect(seen.count == 0)
    }
  }

  @Test("A message of the longest length is taken")
  func longest() async throws {
    try await served { client in
      let text = String(repeating: "a", count: 1000)
      try await client.send(text)
      #expect(try await client.frames.next().text == text)
    }
  }

  @Test("A close frame is answered with its own code, and the connection ends")
  func closing() async throws {
    try await served { client in
      try await client.send(0x88, [0x03, 0xe8] + Array("bye".utf8))
      #expect(try await client.frames.next() == .close(1000))
      _ = try await client.ended.next()
      _ = try await ended.next()
    }
  }

  @Test("What is pushed amid an answer follows it, and what is pushed later comes at once")
  func pushes() async throws {
    try await served { client in
      try await client.send("push")
      let frames = try await client.frames.wait(forCount: 2)
      #expect(frames.map(\.text) == ["push", "pushed"])
      try await peers.next().push(WebSocketMessage(.binary, [1, 2]))
      #expect(try await client.frames.wait(forCount: 3)[2] == Frame(0x82, [1, 2]))
    }
  }

  @Test("A message without an answer gets none, and the next one is answered")
  func silence() async throws {
    try await served { client in
      try await client.send("silence")
      try await client.send("word")
      #expect(try await client.frames.next().text == "word")
    }
  }

  @Test("A server that stops says so")
  func goingAway() async throws {
    let client = try await withWebServer(webSocket: echo, respond: { _ in .text("") }) { address in
      let client = try await RawWebSocket(address)
      try await client.send(Array(RawWebSocket.handshake.utf8))
      _ = try await client.head.next()
      try await client.send("word")
      _ = try await client.frames.next()
      return client
    }
    #expect(try await client.frames.wait(forCount: 2)[1] == .close(1001))
    _ = try await client.ended.next()
  }

  @Test("A silent client gets a ping, and the connection ends when it stays silent")
  func pings() async throws {
    let clock = ManualClock()
    // The server's own look at its connections is far away.
    let limits = ServerLimits(
      requestTime: .seconds(100_000), idleTime: .seconds(100_000), clock: clock)
    try await served(ServerConfiguration(limits: limits)) { client in
      try await clock.waitForSleeper(until: .seconds(30))
      clock.advance(by: .seconds(30))
      #expect(try await client.frames.next() == Frame(0x89, ""))
      try await client.send(0x8a, [])
      try await client.send("word")
      #expect(try await client.frames.wait(forCount: 2)[1].text == "word")
      try await clock.waitForSleeper(until: .seconds(60))
      clock.advance(by: .seconds(30))
      try await clock.waitForSleeper(until: .seconds(90))
      clock.advance(by: .seconds(30))
      #expect(try await client.frames.wait(forCount: 3)[2] == Frame(0x89, ""))
      try await clock.waitForSleeper(until: .seconds(120))
      clock.advance(by: .seconds(30))
      _ = try await client.ended.next()
    }
  }
}

/// The fault script applies to messages as to requests.
extension WebSocketTests {
  @Test("Each fault meets the message that it is meant for")
  func faults() async throws {
    let faults = FaultScript()
    let fault: (Fault, String) -> Void = { fault, text in
      faults.add(fault) { $0.method == .post && $0.body == Array(text.utf8) }
    }
    fault(.answer(.text("instead")), "answer")
    fault(
      .alter { response in
        var response = response
        response.body.append(33)
        return response
      }, "alter")
    fault(.slowBody(.init(bytes: 4, pause: .zero)), "slow body")
    fault(.drop(.midBody(after: 3)), "broken")
    try await served(faults: faults) { client in
      for text in ["answer", "alter", "slow body", "plain", "broken"] {
        try await client.send(text)
      }
      _ = try await client.ended.next()
      #expect(
        client.frames.entries == [
          Frame(0x81, "instead"), Frame(0x81, "alter!"), Frame(0x01, "slow"), Frame(0x00, " bod"),
          Frame(0x80, "y"), Frame(0x81, "plain"), Frame(0x01, "bro"),
        ])
      #expect(!seen.entries.contains { $0.bytes == Array("answer".utf8) })
    }
  }

  @Test("A reset ends the connection, before the message is handled or after")
  func resets() async throws {
    for (moment, count) in [(Fault.Moment.beforeHandling, 0), (.beforeAnswer, 1)] {
      let before = seen.count
      let faults = FaultScript()
      faults.add(.drop(moment, .reset))
      try await served(faults: faults) { client in
        try await client.send("word")
        #expect(try await client.ended.next() != "")
        #expect(client.frames.count == 0)
        #expect(seen.count - before == count)
      }
    }
  }

  @Test("A message that is never answered keeps the connection open until the client leaves")
  func neverAnswered() async throws {
    let faults = FaultScript()
    faults.add(.neverAnswer)
    try await served(faults: faults) { client in
      try await client.send("word")
      _ = try await faults.met.next()
      try await client.send(0x89, [1])
      #expect(try await client.frames.next() == Frame(0x8a, [1]))
      #expect(seen.count == 0)
    }
  }
}
