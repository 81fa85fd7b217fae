import AsyncPrimitives
import Foundation
import MockServing
import PlumiseWire
import Subprocess
import Synchronization
import TestSupport
import Testing
import petals_e2e

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// The command as users run it: a process of the built program.
enum Command {
  /// What a run printed, and its exit status.
  struct Result: Sendable {
    let arguments: [String]
    let status: TerminationStatus
    let output: String
    let errors: String

    /// Standard output as one JSON object.
    func json() throws -> JSON { try JSON.parse(output) }

    /// Requires a refusal: exit status 2, nothing on standard output, one line on standard error
    /// that holds every one of the words, and advises no option that the subcommand lacks.
    /// - Parameter printing: what standard output begins with all the same.
    func expectRefusal(
      _ words: String..., printing beginning: String = "",
      at location: SourceLocation = #_sourceLocation
    ) {
      #expect(status == .exited(2), "\(errors)", sourceLocation: location)
      #expect(
        beginning.isEmpty ? output.isEmpty : output.hasPrefix(beginning), "\(output)",
        sourceLocation: location)
      let lines = errors.split(separator: "\n")
      #expect(lines.count == 1, "more than one line: \(errors)", sourceLocation: location)
      #expect(errors.hasPrefix("petals-e2e: "), "\(errors)", sourceLocation: location)
      for word in words {
        #expect(errors.contains(word), "\(errors)", sourceLocation: location)
      }
      expectKnownOptions(at: location)
    }

    /// Requires that each option which an error names, those of the command line aside, is one that
    /// the subcommand has.
    func expectKnownOptions(at location: SourceLocation = #_sourceLocation) {
      let known = CommandResult.options(of: arguments)
      for match in errors.matches(of: /(?:^|[^\w-])(--[a-z][a-z0-9-]*)/) {
        let option = String(match.output.1)
        let isGiven = arguments.contains { $0.hasPrefix(option) }
        #expect(
          isGiven || known.contains(option), "it has no \(option): \(errors)",
          sourceLocation: location)
      }
    }
  }

  /// The program stands beside the tests.
  static var path: String {
    let tests = Bundle.main.executableURL ?? URL(filePath: CommandLine.arguments[0])
    #if os(macOS)
      let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }
      let folder = (bundle?.bundleURL ?? tests).deletingLastPathComponent()
    #else
      let folder = tests.deletingLastPathComponent()
    #endif
    return folder.appending(path: "petals-e2e").path
  }

  /// Runs the command to its end.
  static func run(_ arguments: String...) async throws -> Result { try await run(arguments) }

  /// Runs the command to its end.
  ///
  /// A service that should have been refused, and listens, is killed: it would never end.
  /// - Parameter variables: what the environment holds besides.
  static func run(
    _ arguments: [String], with variables: [Environment.Key: String] = [:]
  ) async throws -> Result {
    let result = try await Subprocess.run(
      .path(.init(path)), arguments: Arguments(arguments),
      environment: environment.updating(variables.mapValues { $0 }),
      input: .inputWriter, output: .sequence, error: .sequence
    ) { execution in
      async let errors = text(of: execution.standardError) { _ in }
      let output = try await text(of: execution.standardOutput) { soFar in
        guard soFar.contains(#""event":"listening""#) || soFar.hasPrefix("listening on ") else {
          return
        }
        try execution.send(signal: .kill)
      }
      return (output, try await errors)
    }
    return Result(
      arguments: arguments, status: result.terminationStatus, output: result.closureResult.0,
      errors: result.closureResult.1)
  }

  /// All that comes, as text.
  /// - Parameter look: sees what has come so far, while that is short.
  private static func text(
    of stream: SubprocessOutputSequence, _ look: (String) throws -> Void
  ) async throws -> String {
    var bytes: [UInt8] = []
    for try await piece in stream {
      bytes += piece.withUnsafeBytes { Array($0) }
      if bytes.count < 1 << 14 { try look(String(decoding: bytes, as: UTF8.self)) }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Models that are made for tests stay out of the user's cache, and are made once; and what tests
  /// start ends with them, even when they are killed.
  static let environment: Environment = .inherit.updating(
    Dictionary(
      uniqueKeysWithValues: variables.map { (Environment.Key(stringLiteral: $0), Optional($1)) }))

  /// What the environment holds besides what it holds anyway.
  static let variables = [
    "XDG_CACHE_HOME": FileManager.default.temporaryDirectory
      .appending(path: "petals-e2e-tests-cache").path,
    ParentLifeline.variable: "1",
  ]
}

/// The lines that a command prints, as they come.
///
/// A wait ends with the output.
struct OutputLines: Sendable {
  /// The output ended before what a test waits for.
  struct Ended: Error, CustomStringConvertible {
    let lines: [String]

    var description: String {
      "the output ended before what is waited for: \(lines.joined(separator: "\n"))"
    }
  }

  private let journal = Journal<String>()
  private let hasEndedState = AsyncState(false)

  var entries: [String] { journal.entries }

  /// Whether all has been printed.
  var hasEnded: Bool { hasEndedState.value }

  /// The first line that matches, now or later.
  /// - Throws: ``Ended`` when the output ends without it.
  func next(where matches: @escaping @Sendable (String) -> Bool) async throws -> String {
    try await wait(forCount: 1, where: matches)[0]
  }

  /// So many lines that match, now or later.
  /// - Throws: ``Ended`` when the output ends without them.
  func wait(
    forCount count: Int, where matches: @escaping @Sendable (String) -> Bool
  ) async throws -> [String] {
    let (journal, hasEnded) = (journal, hasEndedState)
    return try await race(
      { try await journal.wait(forCount: count, where: matches) },
      against: {
        try await hasEnded.wait { $0 }
        let found = journal.entries.filter(matches)
        guard found.count >= count else { throw Ended(lines: journal.entries) }
        return Array(found.prefix(count))
      })
  }

  /// Waits until all has been printed.
  func waitForEnd() async throws { try await hasEndedState.wait { $0 } }

  /// Takes all that a stream brings, to its end.
  fileprivate func read(_ stream: SubprocessOutputSequence) async throws {
    defer { hasEndedState.update { $0 = true } }
    for try await line in stream.strings() { journal.record(line) }
  }
}

/// A command that runs until it is told to stop, seen from outside.
struct Service: Sendable {
  let processID: Int32
  /// Every line on standard output, as it came.
  let lines: OutputLines
  fileprivate let signal: @Sendable (Signal) throws -> Void

  /// The first JSON line of an event.
  func event(_ name: String) async throws -> JSON {
    let line = try await lines.next { line in
      // A line that is no JSON is no event either.
      (try? JSON.parse(line))?["event"]?.stringValue == name
    }
    return try JSON.parse(line)
  }

  /// The URL that it listens on.
  func url() async throws -> String {
    try #require(try await event("listening")["url"]?.stringValue)
  }

  func send(_ signal: Signal) throws { try self.signal(signal) }

  /// Suspends it (SIGSTOP), and returns once all its threads have stopped: until then one of them may
  /// answer a request that comes after the signal.
  func suspend() throws {
    try send(.suspend)
    var info = siginfo_t()
    // A process that ends meanwhile is reported too, and left to the task that waits for its end.
    while waitid(P_PID, id_t(processID), &info, WSTOPPED | WEXITED | WNOWAIT) == -1, errno == EINTR
    {}
  }
}

extension Command {
  /// Runs a service while a body runs; it is killed after the body if it does not stop by itself.
  /// - Parameters:
  ///   - shell: what a shell does first, which then becomes the service.
  ///   - variables: what the environment holds besides.
  /// - Returns: how it ended, with everything that it printed.
  static func withService(
    _ arguments: [String], after shell: String? = nil,
    with variables: [Environment.Key: String] = [:],
    _ body: @Sendable (Service) async throws -> Void
  ) async throws -> Result {
    let given = arguments
    let (program, arguments) =
      shell.map { ("/bin/sh", ["-c", "\($0); exec \"$0\" \"$@\"", path] + arguments) }
      ?? (path, arguments)
    let (lines, errors) = (OutputLines(), OutputLines())
    var options = PlatformOptions()
    // A group of its own: when the tests are killed while it is suspended, the system continues it.
    options.processGroupID = 0
    let result = try await Subprocess.run(
      .path(.init(program)), arguments: Arguments(arguments),
      environment: environment.updating(variables.mapValues { $0 }),
      platformOptions: options, input: .inputWriter, output: .sequence, error: .sequence
    ) { execution in
      async let output: Void = lines.read(execution.standardOutput)
      async let trouble: Void = errors.read(execution.standardError)
      let service = Service(
        processID: execution.processIdentifier.value, lines: lines,
        signal: { try execution.send(signal: $0) })
      do {
        try await body(service)
      } catch {
        try execution.send(signal: .kill)
        throw error
      }
      _ = try await (output, trouble)
    }
    return Result(
      arguments: given, status: result.terminationStatus,
      output: lines.entries.joined(separator: "\n"),
      errors: errors.entries.joined(separator: "\n"))
  }
}

extension Command {
  /// Runs nodes of a model as processes on free ports while a body runs.
  /// - Parameters:
  ///   - blocks: one node's blocks each, first-last.
  ///   - model: the model's folder.
  ///   - body: gets the nodes' addresses, in the order of their blocks.
  static func withNodes(
    _ blocks: [String], _ options: [String] = [], of model: String = GenerateTests.tiny,
    _ body: @escaping @Sendable ([String]) async throws -> Void
  ) async throws {
    try await withNodes(blocks, options, of: model, after: [], body)
  }

  private static func withNodes(
    _ blocks: [String], _ options: [String], of model: String, after peers: [String],
    _ body: @escaping @Sendable ([String]) async throws -> Void
  ) async throws {
    guard let first = blocks.first else { return try await body(peers) }
    let result = try await withService(
      ["node", "--model", model, "--blocks", first, "--port", "0", "--json"] + options
    ) { node in
      let peer = try await node.url().replacing("grpc://", with: "")
      try await withNodes(
        Array(blocks.dropFirst()), options, of: model, after: peers + [peer], body)
      try node.send(.terminate)
    }
    #expect(result.status == .exited(0), "\(result.errors)")
  }
}

extension Command {
  /// Runs the command to its end, and calls `onLine` with each line that it prints.
  ///
  /// On a thread of its own, as soon as the line comes: tests beside this one may keep every task
  /// waiting for seconds, in which a run is long over.
  static func run(
    _ arguments: [String], onLine: @escaping @Sendable (_ process: Int32, _ line: String) -> Void
  ) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread {
        continuation.resume(with: Swift.Result { try watch(arguments, onLine) })
      }
    }
  }

  private static func watch(
    _ arguments: [String], _ onLine: (Int32, String) -> Void
  ) throws -> Result {
    let (process, input, output, errors) = (Process(), Pipe(), Pipe(), Pipe())
    process.executableURL = URL(filePath: path)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(variables) { $1 }
    process.standardInput = input
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    var text = Data()
    var line = Data()
    while true {
      let bytes = output.fileHandleForReading.availableData
      if bytes.isEmpty { break }
      text += bytes
      for byte in bytes {
        guard byte == UInt8(ascii: "\n") else {
          line.append(byte)
          continue
        }
        onLine(process.processIdentifier, String(decoding: line, as: UTF8.self))
        line = Data()
      }
    }
    // Few lines, which the pipe holds until now.
    let last = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let status: TerminationStatus =
      process.terminationReason == .exit
      ? .exited(process.terminationStatus) : .signaled(process.terminationStatus)
    // Held until here: its end would end the command.
    try input.fileHandleForWriting.close()
    return Result(
      arguments: arguments, status: status, output: String(decoding: text, as: UTF8.self),
      errors: String(decoding: last, as: UTF8.self))
  }
}

/// The processes that a process started, as the system sees them (Linux).
enum ChildProcesses {
  static func of(_ parent: Int32) -> [Int32] {
    let path = "/proc/\(parent)/task/\(parent)/children"
    let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(parent)/task")) ?? []
    // A child belongs to the thread that started it.
    return ([path] + tasks.map { "/proc/\(parent)/task/\($0)/children" })
      .compactMap { try? String(contentsOfFile: $0, encoding: .utf8) }
      .flatMap { $0.split(separator: " ").compactMap { Int32($0) } }
      .reduce(into: []) { found, child in if !found.contains(child) { found.append(child) } }
  }

  /// What the process was started with.
  static func arguments(of process: Int32) -> [String] {
    let line = try? Data(contentsOf: URL(filePath: "/proc/\(process)/cmdline"))
    return (line ?? Data()).split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Whether the process runs; one that ended and was not asked for yet does not.
  static func isAlive(_ process: Int32) -> Bool {
    guard kill(process, 0) == 0 else { return false }
    let status = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
    return !status.contains(") Z ")
  }

  /// Waits for the end of a process that may be anybody's child.
  ///
  /// Of those the system tells no event, so it is asked again and again. One that goes on is an
  /// issue, and is killed.
  static func end(of process: Int32) async throws {
    try await endsInTime(
      butCame: "process \(process) runs: \(arguments(of: process).joined(separator: " "))",
      release: { _ = kill(process, SIGKILL) }
    ) {
      while isAlive(process) {
        try Task.checkCancellation()
        await Task.yield()
      }
    }
  }
}

/// A value that a body hands out of its closure.
final class Holder<Value: Sendable>: Sendable {
  private let stored: Mutex<Value>

  init(_ value: Value) { stored = Mutex(value) }

  var value: Value { stored.withLock { $0 } }

  func set(_ value: Value) { stored.withLock { $0 = value } }
}
