import AsyncPrimitives
import Foundation
import NIOCore
import NIOPosix
import PetalsSwarm
import TestSupport
import Testing

@Suite("Swarm peers", .enabled(if: Daemon.isThere, Daemon.reason))
struct SwarmPeerTests {
  private func withTwo(
    _ body: (SwarmPeer, SwarmPeer) async throws -> Void
  ) async throws {
    try await withQuietPeer { first in
      try await withQuietPeer(SwarmConfiguration(initialPeers: first.addresses)) { second in
        try await body(first, second)
      }
    }
  }

  @Test("A call reaches the peer that it names, with the caller's name, and its answer comes back")
  func calls() async throws {
    try await withTwo { first, second in
      try await first.handle("Test.echo") { caller, bytes in caller.bytes + bytes }
      let answer = try await second.call(first.id, "Test.echo", [1, 2, 3])
      #expect(answer == second.id.bytes + [1, 2, 3])
    }
  }

  @Test(
    "Calls that fail are told apart: an error of the peer, an unknown name, an unknown peer, size")
  func failedCalls() async throws {
    try await withTwo { first, second in
      try await first.handle("Test.fail") { _, _ in throw SwarmMessageError("a test", "it fails") }
      func code(_ peer: PeerID, _ name: String, _ bytes: [UInt8] = []) async -> SwarmError.Code? {
        do {
          _ = try await second.call(peer, name, bytes)
          return nil
        } catch {
          return (error as? SwarmError)?.code
        }
      }
      #expect(await code(first.id, "Test.fail") == .refused)
      #expect(await code(first.id, "Test.unknown") == .unreachable)
      #expect(await code(SwarmIdentity().peer, "Test.fail") == .unreachable)
      #expect(await code(first.id, "Test.fail", Array(repeating: 0, count: 5 << 20)) == .tooLarge)
      let error = await #expect(throws: SwarmError.self) {
        try await second.call(first.id, "Test.fail", [])
      }
      #expect(error?.message == "a test: it fails")
    }
  }

  @Test("A call that is not answered ends at its limit, and its handler is cancelled")
  func slowCalls() async throws {
    try await withTwo { first, second in
      let (isCancelled, never) = (AsyncState(false), AsyncState(false))
      try await first.handle("Test.wait") { _, _ in
        do {
          try await never.wait { $0 }
        } catch {
          isCancelled.update { $0 = true }
          throw error
        }
        return []
      }
      let error = await #expect(throws: SwarmError.self) {
        try await second.call(first.id, "Test.wait", [], within: .milliseconds(200))
      }
      #expect(error?.code == .timedOut)
      try await endsInTime(butCame: "no cancellation") { _ = try await isCancelled.wait { $0 } }
    }
  }

  @Test("Streams carry messages both ways, and end with an error or without")
  func streams() async throws {
    try await withTwo { first, second in
      try await first.serve("Test.double") { stream in
        while let bytes = try await stream.next() {
          if bytes.isEmpty { throw SwarmMessageError("a test", "an empty message") }
          try await stream.send(bytes + bytes)
        }
      }
      let stream = try await second.openStream(to: first.id, "Test.double")
      for size in [1, 70_000, 3 << 20] {
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try await stream.send(bytes)
        #expect(try await stream.next() == bytes + bytes)
      }
      stream.finish()
      #expect(try await stream.next() == nil)
      stream.close()

      let other = try await second.openStream(to: first.id, "Test.double")
      try await other.send([])
      let error = await #expect(throws: SwarmError.self) { try await other.next() }
      #expect(error?.code == .refused)
      #expect(error?.message == "a test: an empty message")
      other.close()
      let unknown = await #expect(throws: SwarmError.self) {
        try await second.openStream(to: first.id, "Test.unknown")
      }
      #expect(unknown?.code == .unreachable)
      try await endsInTime(butCame: "\(first.servedStreams) streams") {
        try await first.waitForServedStreams(0)
      }
    }
  }

  @Test("A peer that reads nothing does not hold up who sends beyond a limit of theirs")
  func deafReaders() async throws {
    try await withTwo { first, second in
      let error = AsyncState<(any Error)?>(nil)
      try await first.serve("Test.flood") { stream in
        let bytes = [UInt8](repeating: 1, count: 1 << 20)
        do {
          // Sockets and windows hold some megabytes; what is behind them is never taken.
          try await withDeadline(.milliseconds(500), on: ContinuousClock()) {
            while true { try await stream.send(bytes) }
          }
        } catch let end {
          error.update { $0 = end }
          throw end
        }
      }
      let stream = try await second.openStream(to: first.id, "Test.flood")
      let end = try await endsInTime(butCame: "no end") { try await error.wait { $0 != nil } }
      #expect(end is DeadlineExceeded, "\(String(describing: end))")
      stream.close()
      try await endsInTime(butCame: "\(first.servedStreams) streams") {
        try await first.waitForServedStreams(0)
      }
    }
  }

  @Test("A handler takes the place of an earlier one of its name")
  func replacedHandlers() async throws {
    try await withTwo { first, second in
      for answer: UInt8 in [1, 2] {
        try await first.handle("Test.answer") { _, _ in [answer] }
        try await first.serve("Test.stream") { stream in try await stream.send([answer]) }
        #expect(try await second.call(first.id, "Test.answer", []) == [answer])
        let stream = try await second.openStream(to: first.id, "Test.stream")
        #expect(try await stream.next() == [answer])
        stream.close()
      }
    }
  }

  @Test("A peer's own words are cut where they are too long for a message")
  func longWords() async throws {
    try await withTwo { first, second in
      try await first.handle("Test.fail") { _, _ in
        throw SwarmMessageError("a test", String(repeating: "x", count: 1 << 20))
      }
      try await first.serve("Test.failingStream") { _ in
        throw SwarmMessageError("a test", String(repeating: "x", count: 1 << 20))
      }
      let stream = try await second.openStream(to: first.id, "Test.failingStream")
      let calls: [() async throws -> Void] = [
        { _ = try await second.call(first.id, "Test.fail", []) },
        { _ = try await stream.next() },
      ]
      for call in calls {
        let error = await #expect(throws: SwarmError.self) { try await call() }
        #expect(error?.code == .refused)
        #expect(error?.message.hasPrefix("a test: xxx") == true)
        #expect((error?.message.count ?? 0) < 2000)
      }
      stream.close()
    }
  }

  @Test("An identity in a file keeps its name, and p2pd takes it")
  func identities() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "identity")
      let identity = try SwarmIdentity(file: file)
      #expect(try SwarmIdentity(file: file).peer == identity.peer)
      try await withQuietPeer(SwarmConfiguration(identity: identity)) { peer in
        #expect(peer.id == identity.peer)
        #expect(peer.addresses.map(\.peer) == [identity.peer])
        let text = try #require(peer.addresses.first).description
        #expect(try SwarmAddress(parsing: text).description == text)
      }
      try folder.write("identity", [1, 2, 3])
      let error = #expect(throws: SwarmError.self) { try SwarmIdentity(file: file) }
      #expect(error?.code == .wrongIdentity)
    }
  }

  @Test("A peer that cannot start says what p2pd says")
  func failedStart() async throws {
    let nobody = SwarmAddress(transport: "/ip4/127.0.0.1/tcp/1", peer: SwarmIdentity().peer)
    let error = await #expect(throws: SwarmError.self) {
      try await withQuietPeer(SwarmConfiguration(initialPeers: [nobody])) { _ in }
    }
    #expect(error?.code == .daemonFailed)
    #expect(error?.message.contains("bootstrap") == true, "\(error?.message ?? "none")")
  }

  @Test("Another version of p2pd, and a program that is none, are named with what to do")
  func otherPrograms() async throws {
    try await withTemporaryFolder { folder in
      let flag = "flag provided but not defined: -persistentConnMaxMsgSize"
      let programs = [
        ("other", "echo '\(flag)' >&2; echo 'Usage of p2pd:' >&2; exit 2", "is another p2pd"),
        ("silent", "exec tail -f /dev/null", "did not name its peer"),
        ("ending", "echo 'no room' >&2; exit 1", "p2pd did not start: no room"),
        ("mute", "exit 0", "p2pd did not start: it says nothing"),
      ]
      for (name, script, words) in programs {
        try folder.write(name, "#!/bin/sh\n\(script)\n".utf8, mode: 0o755)
        // The limit is for the one that says nothing: the others end first, however busy the machine is.
        let configuration = SwarmConfiguration(
          daemon: folder.appending(path: name),
          startTimeout: name == "silent" ? .milliseconds(300) : .seconds(120))
        let error = await #expect(throws: SwarmError.self) {
          try await withQuietPeer(configuration) { _ in }
        }
        #expect(error?.code == .daemonFailed, "\(name)")
        #expect(error?.message.contains(words) == true, "\(name): \(error?.message ?? "none")")
        #expect(name == "ending" || name == "mute" || error?.message.contains("deps-swarm") == true)
      }
    }
  }

  @Test(
    "A p2pd that is suspended ends with its scope",
    .enabled(if: ProcessGroup.isObservable, "no /proc says when a process is suspended"))
  func suspendedEnd() async throws {
    try await endsInTime(butCame: "a scope that waits for its p2pd") {
      try await withQuietPeer { peer in
        try await ProcessGroup(try #require(peer.daemonGroup)).suspend()
      }
    }
  }

  @Test("p2pd has ended when its scope has, whatever the body did")
  func orderlyEnd() async throws {
    struct Failure: Error {}
    let address = AsyncState<SwarmAddress?>(nil)
    await #expect(throws: Failure.self) {
      try await withQuietPeer { peer in
        let own = peer.addresses.first
        address.update { $0 = own }
        throw Failure()
      }
    }
    let transport = try #require(address.value).transport
    let port = try #require(transport.split(separator: "/").last.flatMap { Int($0) })
    await #expect(throws: (any Error).self) {
      try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .connect(host: "127.0.0.1", port: port).get().close()
    }
  }
}

@Suite("Finding p2pd")
struct SwarmDaemonFileTests {
  @Test("p2pd is taken from the option, the variable, the path and the cache, in this order")
  func order() async throws {
    try await withTemporaryFolder { folder in
      func place(_ path: String) throws -> String {
        let file = folder.appending(path: path)
        let parent = file.deletingLastPathComponent()
        try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
        return try parent.write(file.lastPathComponent, "#!/bin/sh\n".utf8, mode: 0o755)
      }
      let cached = try place("cache/petals-e2e/p2pd")
      let onPath = try place("bin/p2pd")
      let (named, given) = (try place("named"), try place("given"))
      var environment = ["XDG_CACHE_HOME": folder.file("cache"), "PATH": "/none"]
      #expect(try SwarmDaemonFile.find(environment: environment).path == cached)
      environment["PATH"] = "/none:" + folder.file("bin")
      #expect(try SwarmDaemonFile.find(environment: environment).path == onPath)
      environment[SwarmDaemonFile.variable] = named
      #expect(try SwarmDaemonFile.find(environment: environment).path == named)
      #expect(try SwarmDaemonFile.find(given, environment: environment).path == given)
      for environment in [
        ["PATH": "/none", "HOME": "/none"], [SwarmDaemonFile.variable: "/none/p2pd"],
      ] {
        let error = #expect(throws: SwarmError.self) {
          try SwarmDaemonFile.find(environment: environment)
        }
        #expect(error?.code == .daemonMissing)
        #expect(error?.message.contains("make deps-swarm") == true)
      }
    }
  }

  @Test(
    "Text that is no address is refused with what is expected",
    arguments: ["", "127.0.0.1:80", "/ip4/127.0.0.1/tcp/0/p2p/12D3KooW", "/ip4/1.2.3.4/tcp/80"])
  func wrongAddresses(text: String) {
    let error = #expect(throws: SwarmError.self) { try SwarmAddress(parsing: text) }
    #expect(error?.code == .wrongAddress)
    #expect(error?.message.contains("/ip4/ADDRESS/tcp/PORT/p2p/PEER") == true)
  }
}
