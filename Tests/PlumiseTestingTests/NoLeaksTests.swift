#if os(Linux)
  import Foundation
  import Glibc
  import PlumiseTesting
  import Testing

  /// Each of these runs in a process of its own, twice.
  @Suite("What a test leaves behind", .timeLimit(.minutes(5)))
  struct NoLeaksTests {
    @Test("A network that was used leaves nothing", .noLeaks, .network(nodes: 2))
    func network() async throws {
      let network = try PetalsNetwork.current
      for node in network.nodes { try await node.register() }
      _ = try await network.generate("Hello", maxNewTokens: 4)
      #expect(await network.nodes[0].reporter.reportNow().isAccepted)
    }

    @Test("Parts that were killed, cut and started again leave nothing", .noLeaks)
    func parts() async throws {
      try await withNetwork(nodes: 2, links: .faulty) { network in
        await network.nodes[0].kill()
        try await network.nodes[0].restart()
        await network.nodes[1].kill()
        try await network.kill(.oracle)
        try await network.restart(.oracle, keepingState: false)
        await network.nodes[0].link?.cut()
        try await network.nodes[0].link?.heal()
        try await network.stop(.chain)
      }
    }

    @Test("A test that leaves something fails, and is told each thing by name")
    func found() async throws {
      // What begins before this test runs has ended: it does not run in a process of its own.
      let failure = try await LeakProcess.failure(
        matching: "LeakingTests/leaves", patience: .zero)
      let text = try #require(failure)
      for part in [
        "open: /dev/null", "open: socket:[", "threads running", "child process", "sleep",
        "temporary file left-",
      ] {
        #expect(text.contains(part), "no \(part) in:\n\(text)")
      }
    }

    @Test("A test that fails in its own process fails with what it printed there")
    func failed() async throws {
      let failure = try await LeakProcess.failure(matching: "LeakingTests/fails")
      #expect(try #require(failure).contains("three is not four"))
      let none = try await LeakProcess.failure(matching: "LeakingTests/thereIsNoSuchTest")
      #expect(none != nil)
    }
  }

  /// What the tests above run in processes of their own; in this one they do nothing.
  @Suite("Tests that leave something", .timeLimit(.minutes(5)))
  struct LeakingTests {
    /// What a test may leave.
    enum Leak: String, CaseIterable, Sendable {
      case descriptor
      case socket
      case thread
      case child
      case file
    }

    @Test("Something is left", arguments: Leak.allCases)
    func leaves(_ leak: Leak) async throws {
      guard LeakProcess.isCurrent, let test = Test.current else { return }
      try await NoLeaksTrait.noLeaks.provideScope(for: test, testCase: nil) { try leave(leak) }
    }

    @Test("Three is four")
    func fails() async throws {
      guard LeakProcess.isCurrent, let test = Test.current else { return }
      try await NoLeaksTrait.noLeaks.provideScope(for: test, testCase: nil) {
        Issue.record("three is not four")
      }
    }

    private func leave(_ leak: Leak) throws {
      switch leak {
      case .descriptor: #expect(open("/dev/null", O_RDONLY) >= 0)
      case .socket: #expect(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) >= 0)
      case .thread:
        let isStarted = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
          isStarted.signal()
          while true { pause() }
        }
        isStarted.wait()
      case .child:
        // It ends by itself soon after it was found.
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sleep")
        process.arguments = ["3"]
        try process.run()
      case .file:
        let file = FileManager.default.temporaryDirectory
          .appending(path: "left-\(UUID().uuidString)")
        try Data("x".utf8).write(to: file)
      }
    }
  }
#endif
