import ArgumentParser
import Foundation
import Logging
import MockServing

/// Runs the command, and turns whatever ends it into the contract's exit status.
@main
enum Main {
  /// Subcommands whose arithmetic runs in this process.
  private static let computing: Set<String> = ["run", "generate", "forward", "node", "bench"]

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
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
      return .done
    } catch let failure as CommandFailure {
      StandardStream.error.write(line: "petals-e2e: \(failure.description)")
      return failure.status
    } catch {
      return report(error, arguments)
    }
  }

  /// Help and version are no failure; ArgumentParser calls wrong usage 64, the contract 2.
  private static func report(_ error: any Error, _ arguments: [String]) -> ExitStatus {
    switch PetalsE2E.exitCode(for: error) {
    case .success:
      StandardStream.output.write(line: PetalsE2E.fullMessage(for: error))
      return .done
    case .validationFailure:
      let message = PetalsE2E.message(for: error).onOneLine
      let names = PetalsE2E.subcommandNames
      let subcommand = arguments.first.map { names.contains($0) ? " \($0)" : "" } ?? ""
      StandardStream.error.write(
        line: "petals-e2e: \(message) (see petals-e2e\(subcommand) --help)")
      return .wrongInput
    default:
      StandardStream.error.write(line: "petals-e2e: \(String(describing: error).onOneLine)")
      return .failed
    }
  }
}
