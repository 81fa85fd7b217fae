import MockServing
import NIOCore
import NIOPosix
import PetalsNode
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

@Suite("Faults of a link", .timeLimit(.minutes(5)))
struct LinkFaultTests {
  /// Runs a body with a link to a server that answers every request.
  private func withLink(
    _ body: (FaultyLink, ServerAddress) async throws -> Void
  ) async throws {
    try await withWebServer(respond: { _ in .text("here") }) { address async throws in
      try await withFaultyLink(to: PeerAddress(host: "127.0.0.1", port: address.port)) { link in
        try await body(link, ServerAddress(host: "127.0.0.1", port: link.peer.port))
      }
    }
  }

  /// Whether a new connection is answered.
  private func isAnswered(_ address: ServerAddress) async throws -> Bool {
    try await RawClient.connected(to: address) { client async throws in
      try await request(client)
      return try await client.waitForEnd().hasSuffix("here")
    }
  }

  /// Sends a request that the server ends the connection after.
  private func request(_ client: RawClient) async throws {
    do {
      try await client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    } catch {
      // The link was first, and closed the connection.
      #expect(error is ChannelError || error is IOError)
    }
  }

  @Test("The connections that a rule's schedule says are closed, and no others")
  func closed() async throws {
    try await withLink { link, address in
      link.add(LinkFaultRule(.close, count: 2, skip: 1))
      var answered: [Bool] = []
      for _ in 0..<5 { answered.append(try await isAnswered(address)) }
      #expect(answered == [true, false, false, true, true])
    }
  }

  @Test("A connection that is held is read and not answered, while others are")
  func held() async throws {
    try await withLink { link, address in
      link.add(LinkFaultRule(.hold))
      try await RawClient.connected(to: address) { client async throws in
        try await request(client)
        try await link.waitUntilHolding()
        #expect(try await isAnswered(address))
        #expect(client.received.entries.isEmpty && client.ended.entries.isEmpty)
      }
    }
  }

  @Test("A released link forwards what it held", arguments: [true, false])
  func released(byRule: Bool) async throws {
    try await withLink { link, address in
      if byRule { link.add(LinkFaultRule(.hold)) } else { link.hold() }
      try await RawClient.connected(to: address) { client async throws in
        try await request(client)
        try await link.waitUntilHolding()
        link.release()
        #expect(try await client.waitForEnd().hasSuffix("here"))
      }
    }
  }

  @Test("A link whose task is cancelled is released")
  func cancelled() async throws {
    try await withWebServer(respond: { _ in .text("here") }) { address async throws in
      let links = Journal<FaultyLink>()
      let answers = Journal<String>()
      let running = Task {
        try await withFaultyLink(to: PeerAddress(host: "127.0.0.1", port: address.port)) { link in
          link.hold()
          links.record(link)
          let here = ServerAddress(host: "127.0.0.1", port: link.peer.port)
          // A task of its own, which the cancellation does not reach.
          let asking = Task {
            try await RawClient.connected(to: here) { client async throws in
              try await request(client)
              answers.record(try await client.waitForEnd())
            }
          }
          try await asking.value
        }
      }
      let link = try await links.next()
      try await link.waitUntilHolding()
      running.cancel()
      try await endsInTime(butCame: "the link still holds", release: { await link.cut() }) {
        try await running.value
      }
      #expect(answers.entries.count == 1 && answers.entries[0].hasSuffix("here"))
    }
  }

  @Test("A connection that was accepted before the link was cut, and comes after, is closed")
  func openedAfterTheCut() async throws {
    try await withLink { link, _ in
      try await withWebServer(respond: { _ in .text("here") }) { address async throws in
        let connect = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        let early = try await connect.connect(host: address.host, port: address.port).get()
        let late = try await connect.connect(host: address.host, port: address.port).get()
        link.opened(early)
        #expect(early.isActive)
        await link.cut()
        link.opened(late)
        for channel in [early, late] {
          try await endsInTime(
            butCame: "the connection stays open", release: { channel.close(promise: nil) }
          ) { try await channel.closeFuture.get() }
        }
      }
    }
  }

  @Test("The seed decides which connections meet a likely fault")
  func seeded() async throws {
    var runs: [[Bool]] = []
    for seed in [7, 7, 8] as [UInt64] {
      try await withLink { link, address in
        link.seed(seed)
        link.add(LinkFaultRule(.close, count: nil, probability: 0.5))
        var answered: [Bool] = []
        for _ in 0..<16 { answered.append(try await isAnswered(address)) }
        runs.append(answered)
      }
    }
    #expect(runs[0] == runs[1] && runs[0] != runs[2])
    #expect(runs[0].contains(true) && runs[0].contains(false))
  }

  @Test("A rule is read from what it is written as")
  func json() throws {
    let faults: [(LinkFault, String)] = [
      (.hold, #""hold""#), (.close, #""close""#), (.reset, #""reset""#),
      (.closeAfter(bytes: 9), #""close","bytes":9"#),
      (.resetAfter(bytes: 9), #""reset","bytes":9"#),
      (
        .delay(.milliseconds(80), jitter: .milliseconds(20)),
        #""delay","milliseconds":80,"jitter_milliseconds":20"#
      ),
      (.throttle(bytesPerSecond: 7), #""throttle","bytes_per_second":7"#),
      (.slice(bytes: 3, pause: .seconds(1)), #""slice","bytes":3,"milliseconds":1000"#),
    ]
    for (fault, text) in faults {
      let rule = LinkFaultRule(fault, .toClient, count: nil, skip: 3, probability: 0.25)
      let rest = #""direction":"to-client","count":null,"skip":3,"probability":0.25}"#
      #expect(rule.json.text == "{\"fault\":\(text),\(rest)")
      #expect(try LinkFaultRule(json: rule.json) == rule)
    }
    #expect(try LinkFaultRule(json: JSON.parse(#"{"fault":"close"}"#)) == LinkFaultRule(.close))
    for (text, message) in [
      ("{}", "fault must be one of close, reset, hold, delay, throttle, slice"),
      (#"{"fault":"close","x":1}"#, "x is unknown"),
      (#"{"fault":"hold","bytes":1}"#, "bytes has no meaning for the fault hold"),
      (#"{"fault":"delay"}"#, "milliseconds is missing: the fault delay needs it"),
      (#"{"fault":"slice","bytes":0,"milliseconds":1}"#, "bytes must be a whole number from 1"),
      (#"{"fault":"hold","direction":"up"}"#, "direction must be one of both, to-server"),
      (#"{"fault":"close","skip":-1}"#, "skip must be a whole number from 0"),
    ] {
      let error = #expect(throws: FaultScheduleError.self) {
        try LinkFaultRule(json: JSON.parse(text))
      }
      #expect(error?.description.hasPrefix(message) == true, "\(error?.description ?? "")")
    }
  }
}
