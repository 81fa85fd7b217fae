import Foundation
import PlumiseWire
import Subprocess
import Testing

/// The command as users run it: a process of the built program.
enum Command {
  /// What a run printed, and its exit status.
  struct Result: Sendable {
    let status: TerminationStatus
    let output: String
    let errors: String

    /// Standard output as one JSON object.
    func json() throws -> JSON { try JSON.parse(output) }

    /// Requires a refusal: exit status 2, nothing on standard output, one line on standard error
    /// that holds every one of the words.
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
  /// - Parameter variables: what the environment holds besides.
  static func run(
    _ arguments: [String], with variables: [Environment.Key: String] = [:]
  ) async throws -> Result {
    let result = try await Subprocess.run(
      .path(.init(path)), arguments: Arguments(arguments),
      environment: environment.updating(variables.mapValues { $0 }),
      output: .string(limit: 4 << 20), error: .string(limit: 1 << 20))
    return Result(
      status: result.terminationStatus, output: result.standardOutput,
      errors: result.standardError)
  }

  /// Models that are made for tests stay out of the user's cache, and are made once.
  static let environment: Environment = .inherit.updating(
    Dictionary(
      uniqueKeysWithValues: variables.map { (Environment.Key(stringLiteral: $0), Optional($1)) }))

  /// What the environment holds besides what it holds anyway.
  static let variables = [
    "XDG_CACHE_HOME": FileManager.default.temporaryDirectory
      .appending(path: "petals-e2e-tests-cache").path
  ]
}
