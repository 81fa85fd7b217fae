import Foundation
import MockServing
import PlumiseWire
import Subprocess
import Testing

/// A command that runs until it is told to stop, seen from outside.
struct Service: Sendable {
  let processID: Int32
  /// Every line on standard output, as it came.
  let lines: Journal<String>
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
}

extension Command {
  /// Runs a service while a body runs; it is killed after the body if it does not stop by itself.
  /// - Parameter shell: what a shell does first, which then becomes the service.
  /// - Returns: how it ended, with everything that it printed.
  static func withService(
    _ arguments: [String], after shell: String? = nil,
    _ body: @Sendable (Service) async throws -> Void
  ) async throws -> Result {
    let (program, arguments) =
      shell.map { ("/bin/sh", ["-c", "\($0); exec \"$0\" \"$@\"", path] + arguments) }
      ?? (path, arguments)
    let lines = Journal<String>()
    let errors = Journal<String>()
    let result = try await Subprocess.run(
      .path(.init(program)), arguments: Arguments(arguments), environment: environment,
      input: .none, output: .sequence, error: .sequence
    ) { execution in
      async let output: Void = read(execution.standardOutput, into: lines)
      async let trouble: Void = read(execution.standardError, into: errors)
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
      status: result.terminationStatus, output: lines.entries.joined(separator: "\n"),
      errors: errors.entries.joined(separator: "\n"))
  }

  private static func read(
    _ stream: SubprocessOutputSequence, into journal: Journal<String>
  ) async throws {
    for try await line in stream.strings() { journal.record(line) }
  }
}
