import Foundation
import MockServing
import PlumiseWire
import Subprocess
import SystemErrors
import SystemPackage
import TestSupport
import Testing

/// What is left when a program ends in another way than it meant to.
@Suite("Programs that are killed or interrupted", .timeLimit(.minutes(5)))
struct EndingTests {
  private static let up = ["up", "--model", "tiny", "--ports", "auto", "--json"]

  /// What a folder of temporary files holds, the caches of models aside.
  private static func leftovers(in folder: URL) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path)
  }

  @Test(
    "A network that is killed or hung up on leaves no child and no key",
    arguments: [Signal.kill, .terminalClosed])
  func ended(by signal: Signal) async throws {
    try await withTemporaryFolder { folder in
      let children = Holder<[Int32]>([])
      let result = try await Command.withService(
        Self.up, with: ["TMPDIR": folder.path]
      ) { service in
        _ = try await service.event("up")
        children.set(ChildProcesses.of(service.processID))
        try service.send(signal)
      }
      // A network that was up is meant to be stopped: that is a success.
      #expect(result.status == (signal == .kill ? .signaled(SIGKILL) : .exited(0)))
      #expect(children.value.count == 4)
      for child in children.value { try await ChildProcesses.end(of: child) }
      #expect(try Self.leftovers(in: folder) == [])
    }
  }

  @Test("A network removes the keys of one that was killed before its nodes had read them")
  func abandonedKeys() async throws {
    try await withTemporaryFolder { folder in
      let abandoned = folder.appending(path: "petals-e2e-keys-\(UUID().uuidString)")
      try FileManager.default.createDirectory(at: abandoned, withIntermediateDirectories: false)
      try abandoned.write("node-1.key", "0x00".utf8)
      // Another network is about to start its nodes, and one has a name that is not ours.
      let used = try TemporaryFolder(.init(rawValue: "petals-e2e-keys"), in: folder)
      let foreign = folder.appending(path: "petals-e2e-keys-of-mine")
      try FileManager.default.createDirectory(at: foreign, withIntermediateDirectories: false)
      let result = try await Command.withService(
        Self.up, with: ["TMPDIR": folder.path]
      ) { service in
        _ = try await service.event("up")
        try service.send(.terminate)
      }
      #expect(result.status == .exited(0), "\(result.errors)")
      #expect(
        try Set(Self.leftovers(in: folder))
          == [used.url.lastPathComponent, foreign.lastPathComponent])
    }
  }

  @Test(
    "Ctrl-C while the children start is an interruption, whichever of them it comes between",
    arguments: [
      "the model is ready", "the chain is up", "the oracle is up", "the agents have coins",
    ])
  func interrupted(after step: String) async throws {
    try await withTemporaryFolder { folder in
      let children = Holder<[Int32]>([])
      let result = try await Command.run(
        ["run", "--model", "tiny", "--ports", "auto", "--report", folder.path]
      ) { process, line in
        guard line.contains(step) else { return }
        kill(process, SIGINT)
        children.set(ChildProcesses.of(process))
      }
      #expect(result.status == .exited(1))
      #expect(result.errors == "petals-e2e: interrupted\n", "\(result.output)")
      for child in children.value { try await ChildProcesses.end(of: child) }
    }
  }

  #if os(Linux)
    /// Tells the inner run of `killedRunner` from the outer one.
    private static let inner = "PETALS_E2E_TEST_OF_A_KILLED_RUNNER"

    @Test("Tests that are killed leave no service, and the next ones remove their folders")
    func killedRunner() async throws {
      guard ProcessInfo.processInfo.environment[Self.inner] == nil else {
        return try await runUntilKilled()
      }
      try await withTemporaryFolder { folder in
        let journal = Journal<String>()
        let tests = try #require(Bundle.main.executablePath)
        let environment = Environment.inherit.updating([
          Environment.Key(stringLiteral: Self.inner): "1", "TMPDIR": folder.path,
        ])
        let arguments = Arguments([
          "--testing-library", "swift-testing", "--filter", "EndingTests/killedRunner",
        ])
        _ = try await Subprocess.run(
          .path(.init(tests)), arguments: arguments, environment: environment,
          input: .none, output: .sequence, error: .discarded
        ) { execution in
          for try await line in execution.standardOutput.strings() where line.hasPrefix("{") {
            journal.record(line)
            try execution.send(signal: .kill)
          }
        }
        let line = try #require(journal.entries.first, "the inner tests did not run")
        let left = try JSON.parse(line)
        let services = try #require(left["services"]?.arrayValue).compactMap(\.integerValue)
        #expect(services.count == 2)
        for service in services { try await ChildProcesses.end(of: Int32(service)) }
        let path = try #require(left["folder"]?.stringValue)
        #expect(FileManager.default.fileExists(atPath: path))
        TemporaryFolder.removeAbandoned(.init(rawValue: "plumise-tests"), in: folder)
        #expect(!FileManager.default.fileExists(atPath: path))
      }
    }

    /// Starts two services, one of which is suspended, and says so on standard output.
    private func runUntilKilled() async throws {
      try await withTemporaryFolder { folder in
        _ = try await Command.withService(["chain", "--port", "0", "--json"]) { chain in
          _ = try await chain.url()
          _ = try await Command.withService(["oracle", "--port", "0", "--json"]) { oracle in
            _ = try await oracle.url()
            try oracle.suspend()
            let said: JSON = [
              "services": [.integer(chain.processID), .integer(oracle.processID)],
              "folder": .string(folder.path),
            ]
            try FileHandle.standardOutput.write(contentsOf: Data((said.text + "\n").utf8))
            // Only the end of this process ends the wait.
            _ = try await Journal<Int>().next()
          }
        }
      }
    }
  #endif
}
