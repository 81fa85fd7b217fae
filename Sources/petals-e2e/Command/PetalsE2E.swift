import ArgumentParser
import Bloom
import Foundation
import Logging
import MockServing
import ReportPages
import TextKeys

/// The root of the command: what it is for, and its subcommands.
struct PetalsE2E: AsyncParsableCommand {
  /// The version, which reports name.
  static let release = PackageRelease.version

  static let configuration = CommandConfiguration(
    commandName: "petals-e2e",
    abstract: "A complete Plumise network: nodes, oracle and chain, alone or all together.",
    discussion: """
      EXAMPLES
        petals-e2e run --model tiny --ports auto
        petals-e2e up
        petals-e2e chain --port 26902
      """,
    version: release,
    groupedSubcommands: [
      CommandGroup(
        name: "The whole network",
        subcommands: [RunCommand.self, UpCommand.self, ScenarioCommand.self]),
      CommandGroup(
        name: "Its parts",
        subcommands: [
          ChainCommand.self, OracleCommand.self, NodeCommand.self, GatewayCommand.self,
          SwarmCommand.self,
        ]),
      CommandGroup(
        name: "Models and keys",
        subcommands: [
          GenerateCommand.self, ForwardCommand.self, TokenizeCommand.self, ModelCommand.self,
          WalletCommand.self,
        ]),
      CommandGroup(name: "Bytecode", subcommands: [EVMCommand.self]),
      CommandGroup(
        name: "Figures", subcommands: [BenchCommand.self, LoadCommand.self, ReportCommand.self]),
    ])

  /// Every subcommand's name.
  static var subcommandNames: [String] {
    configuration.subcommands.compactMap { $0.configuration.commandName }
  }
}

/// Runs the command, and turns whatever ends it into the contract's exit status.
@main
enum Main {
  /// Subcommands whose arithmetic runs in this process.
  private static let computing: Set<String> = [
    "run", "generate", "forward", "node", "bench", "scenario",
  ]

  /// Subcommands that compute a little, or whose children do.
  private static let alsoComputing: Set<String> = ["up", "model"]

  static func main() async {
    if let name = CommandLine.arguments.dropFirst().first, computing.contains(name) {
      BLASEnvironment.restartIfNeeded()
    }
    ParentLifeline.watchIfAsked()
    OpenFiles.raiseLimit()
    // Results are printed; the libraries' logs are for trouble.
    LoggingSystem.bootstrap { TextLogHandler(label: $0) }
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
      let result = CommandResult(error, arguments)
      (result.status == .done ? StandardStream.output : .error).write(line: result.text)
      return result.status
    }
  }
}

/// The command line as it is handed to ArgumentParser, which looks for `=` among Characters.
///
/// A combining mark behind the sign makes one Character of the two, so that `--text=◌́` names no known
/// option; and it takes `--text=` for `--text` without a value. Such an argument is handed over as the
/// two that it means. What begins with a mark, or is empty, is no option: it is taken as the value.
enum CommandArguments {
  /// The arguments, with those that ArgumentParser would misread split into name and value.
  static func parsable(_ arguments: [String]) -> [String] {
    var areOptionsOver = false
    return arguments.flatMap { argument -> [String] in
      if argument.isExactly("--") { areOptionsOver = true }
      guard !areOptionsOver, argument.starts(withExactly: "--"),
        let sign = argument.utf8.firstIndex(of: UInt8(ascii: "="))
      else { return [argument] }
      let value = argument.utf8[sign...].dropFirst()
      if !value.isEmpty, argument.firstIndex(of: "=") == sign { return [argument] }
      return [String(argument[..<sign]), String(decoding: value, as: UTF8.self)]
    }
  }
}
