#if os(Linux)
  import Foundation
  import Glibc
  import Synchronization
  import SystemErrors
  import Testing

  /// A process in which one test runs, and nothing else.
  package enum LeakProcess {
    /// The variable that says to a process that it is one, and for how many milliseconds it waits for what
    /// ends by itself.
    private static let variable = "PLUMISE_LEAK_CHECK"
    private static let purpose = TemporaryFolder.Purpose(rawValue: "plumise-leaks")
    /// The processes of tests, so that the cases of a test share one.
    private static let running = Mutex<[Test.ID: Task<String?, any Error>]>([:])

    /// How long idle threads of pools may take to end (5 s, libdispatch), with much to spare.
    package static let usualPatience = Duration.seconds(15)

    /// Whether this process is one.
    package static var isCurrent: Bool { ProcessInfo.processInfo.environment[variable] != nil }

    /// How long this process waits for what ends by itself.
    static var patience: Duration {
      let text = ProcessInfo.processInfo.environment[variable]
      return text.flatMap { Int($0) }.map { .milliseconds($0) } ?? usualPatience
    }

    /// Runs a test in a process of its own; the same test again gets the first one's outcome.
    /// - Returns: what went wrong; nil when the test passed, and for every case but the first.
    /// - Throws: what starting the process throws.
    static func failure(of test: Test) async throws -> String? {
      let (task, isFirst) = running.withLock { running in
        if let task = running[test.id] { return (task, false) }
        let pattern = NSRegularExpression.escapedPattern(for: "\(test.id)")
        let task = Task { try await Self.failure(matching: "^\(pattern)$") }
        running[test.id] = task
        return (task, true)
      }
      let failure = try await withTaskCancellationHandler {
        try await task.value
      } onCancel: {
        task.cancel()
      }
      return isFirst ? failure : nil
    }

    /// Runs the tests whose ids match a regular expression in a process of their own.
    /// - Parameter patience: How long the process waits for what ends by itself.
    /// - Returns: what went wrong; nil when they passed.
    /// - Throws: what starting the process throws.
    package static func failure(
      matching pattern: String, patience: Duration = usualPatience
    ) async throws -> String? {
      TemporaryFolder.removeAbandoned(purpose)
      let folder = try TemporaryFolder(purpose)
      defer { folder.remove() }
      let files = folder.url.appending(path: "files", directoryHint: .isDirectory)
      try FileManager.default.createDirectory(at: files, withIntermediateDirectories: false)
      let log = folder.url.appending(path: "log")
      try Data().write(to: log)
      let output = try FileHandle(forWritingTo: log)
      // The child has a descriptor of its own: nothing is lost when this one does not close.
      defer { try? output.close() }

      let process = Process()
      process.executableURL = URL(
        filePath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
      process.arguments = [
        "--testing-library", "swift-testing", "--no-parallel", "--filter", pattern,
      ]
      process.environment = ProcessInfo.processInfo.environment.merging(
        [variable: "\(Int(patience / .milliseconds(1)))", "TMPDIR": files.path]) { $1 }
      // Its end tells the child that this process is gone.
      let lifeline = Pipe()
      process.standardInput = lifeline
      process.standardOutput = output
      process.standardError = output
      let ends = AsyncStream<Int32>.makeStream()
      process.terminationHandler = { ends.continuation.yield($0.terminationStatus) }
      try process.run()
      let identifier = process.processIdentifier
      let status = await withTaskCancellationHandler {
        await ends.stream.first { _ in true }
      } onCancel: {
        kill(identifier, SIGKILL)
      }
      try lifeline.fileHandleForWriting.close()
      try Task.checkCancellation()
      guard status != 0 else { return nil }
      let lines = try String(contentsOf: log, encoding: .utf8).split(separator: "\n")
      // What came last is what went wrong.
      let shown = lines.suffix(60).joined(separator: "\n")
      return "in a process of its own (status \(status ?? -1)) the test did not pass:\n\(shown)"
    }

    /// Ends this process when the one that started it is gone.
    static func endWithParent() { watching }

    private static let watching: Void = Thread.detachNewThread {
      var byte: UInt8 = 0
      while true {
        let count = read(STDIN_FILENO, &byte, 1)
        if count > 0 || (count < 0 && errno == EINTR) { continue }
        _exit(1)
      }
    }
  }
#endif
