import MockServing
import PetalsNode
import PlumiseTesting
import TestSupport
import Testing

/// Cables that are slow, or end in the middle, each way by itself.
@Suite("Slow and broken links", .timeLimit(.minutes(5)))
struct SlowLinkTests {
  /// Runs a body with a link, on a clock of its own, to a server that answers `answer` to every request.
  private func withLink(
    answer: String = "here",
    _ body: @Sendable (FaultyLink, ServerAddress, ManualClock) async throws -> Void
  ) async throws {
    let clock = ManualClock()
    try await withWebServer(respond: { _ in .text(answer) }) { address async throws in
      let server = try PeerAddress(host: "127.0.0.1", port: address.port)
      try await withFaultyLink(to: server, clock: clock) { link in
        try await body(link, ServerAddress(host: "127.0.0.1", port: link.peer.port), clock)
      }
    }
  }

  private static let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

  @Test(
    "A delay in one direction or both takes so long, and no longer",
    arguments: LinkDirection.allCases)
  func delay(_ direction: LinkDirection) async throws {
    try await withLink { link, address, clock in
      link.add(LinkFaultRule(.delay(.seconds(3)), direction))
      try await RawClient.connected(to: address) { client async throws in
        try await client.send(Self.request)
        for _ in direction.rawValue == "both" ? 0..<2 : 0..<1 {
          #expect(client.received.entries.isEmpty)
          try await clock.waitForSleepers()
          #expect(try await clock.advanceToNextDeadline() == .seconds(3))
        }
        // The end of the connection comes with the rest, or behind it.
        let end = try await endOf(client, clock)
        #expect(end.hasSuffix("here"))
        #expect(clock.now.offset == .seconds(direction == .both ? 6 : 3))
      }
    }
  }

  /// Waits for the end of a connection; whatever else is delayed goes on at once.
  private func endOf(_ client: RawClient, _ clock: ManualClock) async throws -> String {
    async let text = client.waitForEnd()
    let moving = Task {
      while !Task.isCancelled { try await clock.advanceToNextDeadline() }
    }
    defer { moving.cancel() }
    return try await text
  }

  @Test("Jitter follows from the seed, and each connection has its own")
  func jitter() async throws {
    var runs: [[Duration]] = []
    for seed in [5, 5, 6] as [UInt64] {
      let waits = Journal<Duration>()
      try await withLink { link, address, clock in
        link.seed(seed)
        link.add(
          LinkFaultRule(.delay(.seconds(1), jitter: .seconds(1)), .toServer, count: nil))
        for _ in 0..<4 {
          try await RawClient.connected(to: address) { client async throws in
            try await client.send(Self.request)
            waits.record(try await clock.advanceToNextDeadline())
            #expect(try await endOf(client, clock).hasSuffix("here"))
          }
        }
      }
      #expect(waits.entries.allSatisfy { (.seconds(1)...(.seconds(2))).contains($0) })
      #expect(Set(waits.entries).count == 4)
      runs.append(waits.entries)
    }
    #expect(runs[0] == runs[1] && runs[0] != runs[2])
  }

  @Test("A throttled way takes as long as its bytes need")
  func throttle() async throws {
    let answer = String(repeating: "x", count: 5000)
    try await withLink(answer: answer) { link, address, clock in
      link.add(LinkFaultRule(.throttle(bytesPerSecond: 1000), .toClient))
      try await RawClient.connected(to: address) { client async throws in
        try await client.send(Self.request)
        try await clock.waitForSleepers()
        #expect(try await endOf(client, clock).hasSuffix(answer))
        let size = Double(client.received.entries.last?.utf8.count ?? 0)
        #expect(size > 5000)
        #expect(abs(clock.now.offset / .seconds(1) - size / 1000) < 0.01)
      }
    }
  }

  @Test("A sliced way brings the same bytes in pieces, with a pause before each but the first")
  func slice() async throws {
    try await withLink { link, address, clock in
      link.add(LinkFaultRule(.slice(bytes: 10, pause: .seconds(1)), .toServer))
      try await RawClient.connected(to: address) { client async throws in
        try await client.send(Self.request)
        try await clock.waitForSleepers()
        #expect(try await endOf(client, clock).hasSuffix("here"))
        let pieces = (Self.request.utf8.count + 9) / 10
        #expect(clock.now.offset == .seconds(pieces - 1))
      }
    }
  }

  @Test("A connection that ends after so many bytes brings exactly those")
  func closeAfter() async throws {
    try await withLink(answer: String(repeating: "x", count: 500)) { link, address, _ in
      link.add(LinkFaultRule(.closeAfter(bytes: 100), .toClient))
      try await RawClient.connected(to: address) { client async throws in
        try await client.send(Self.request)
        #expect(try await client.waitForEnd().utf8.count == 100)
      }
      // In the other direction so few bytes bring no answer.
      link.add(LinkFaultRule(.closeAfter(bytes: 10), .toServer))
      try await RawClient.connected(to: address) { client async throws in
        try await client.send(Self.request)
        #expect(try await client.waitForEnd() == "")
      }
    }
  }

  @Test("A reset ends the connection of a rule, or all that there are, and new ones are taken")
  func reset() async throws {
    try await withLink { link, address, _ in
      link.add(LinkFaultRule(.resetAfter(bytes: 10), .toServer))
      try await RawClient.connected(to: address) { client async throws in
        try await client.send(Self.request)
        #expect(try await client.waitForEnd() == "")
      }
      link.hold()
      try await RawClient.connected(to: address) { client async throws in
        try await client.send(Self.request)
        try await link.waitUntilHolding()
        await link.reset()
        #expect(try await client.waitForEnd() == "")
      }
      link.release()
      try await RawClient.connected(to: address) { client async throws in
        try await client.send(Self.request)
        #expect(try await client.waitForEnd().hasSuffix("here"))
      }
    }
  }

  @Test("A link that holds one way passes the other")
  func heldOneWay() async throws {
    let seen = Journal<String>()
    try await withWebServer(
      respond: { request in
        seen.record(request.path)
        return .text("here")
      }
    ) { address async throws in
      let server = try PeerAddress(host: "127.0.0.1", port: address.port)
      try await withFaultyLink(to: server) { link in
        link.hold(.toClient)
        let there = ServerAddress(host: "127.0.0.1", port: link.peer.port)
        try await RawClient.connected(to: there) { client async throws in
          try await client.send(Self.request)
          _ = try await seen.next()
          try await link.waitUntilHolding()
          #expect(client.received.entries.isEmpty)
          link.release()
          #expect(try await client.waitForEnd().hasSuffix("here"))
        }
      }
    }
  }

  @Test("A link that was cut is healed at its address")
  func heal() async throws {
    try await withLink { link, address, _ in
      await link.cut()
      await #expect(throws: (any Error).self) {
        try await RawClient.connected(to: address) { _ async throws in }
      }
      try await link.heal()
      try await link.heal()
      try await RawClient.connected(to: address) { client async throws in
        try await client.send(Self.request)
        #expect(try await client.waitForEnd().hasSuffix("here"))
      }
    }
  }

  @Test("A generation over slow links of a network takes longer, and gives the same")
  func generation() async throws {
    try await withNetwork(nodes: 2, links: .faulty) { network in
      let undisturbed = try await network.generate([5, 6, 7], maxNewTokens: 4).generatedIDs
      for node in network.nodes {
        node.link?.add(
          LinkFaultRule(.delay(.milliseconds(5), jitter: .milliseconds(2)), count: nil))
      }
      let began = ContinuousClock.now
      let ids = try await network.generate([5, 6, 7], maxNewTokens: 4).generatedIDs
      #expect(ids == undisturbed)
      // There and back for each token through each of the nodes.
      #expect(ContinuousClock.now - began >= .milliseconds(ids.count * 2 * 2 * 5))
    }
  }
}
