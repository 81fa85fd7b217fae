import ArgumentParser
import Bloom
import Foundation
import Logging
import MockServing

/// Runs the command, and turns whatever ends it into the contract's exit status.
@main
enum Main {
  /// Subcommands whose arithmetic runs in this process.
  private static let computing: Set<String> = ["run", "generate", "forward", "node", "bench"]

  /// Subcommands that compute a little, or whose children do.
  private static let alsoComputing: Set<String> = ["up", "model"]

  static func main() async {
    if let name = CommandLine.arguments.dropFirst().first, computing.contains(name) {
      BLASEnvironment.restartIfNeeded()
    }
    OpenFiles.raiseLimit()
    // Results are printed; the libraries' logs are for trouble.
    LoggingSystem.bootstrap { label in
      var log = StreamLogHandler.standardError(label: label)
      log.logLevel = .warning
      return log
    }
    let arguments = CommandArguments.parsable(Array(CommandLine.arguments.dropFirst()))
    exit(await run(arguments).rawValue)
  }

  private static func run(_ arguments: [String]) async -> ExitStatus {
    do {
      var command = try PetalsE2E.parseAsRoot(arguments)
      if let name = arguments.first, computing.union(alsoComputing).contains(name) {
        try CommandFailure.checkingInput { try Arithmetic.checkEnvironment() }
      }
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
      return .done
    } catch {
      let ending = CommandEnding(error, arguments)
      (ending.status == .done ? StandardStream.output : .error).write(line: ending.text)
      return ending.status
    }
  }
}
