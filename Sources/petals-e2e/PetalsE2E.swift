import ArgumentParser

/// The root of the command: what it is for, and its subcommands.
struct PetalsE2E: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "petals-e2e",
    abstract: "A complete Plumise network: nodes, oracle and chain, alone or all together.",
    discussion: """
      EXAMPLES
        petals-e2e run --model tiny --ports auto
        petals-e2e up
        petals-e2e chain --port 26902
      """,
    version: "0.1.0",
    groupedSubcommands: [
      CommandGroup(name: "The whole network", subcommands: [RunCommand.self, UpCommand.self]),
      CommandGroup(
        name: "Its parts", subcommands: [ChainCommand.self, OracleCommand.self, NodeCommand.self]),
      CommandGroup(
        name: "Models and keys",
        subcommands: [
          GenerateCommand.self, ForwardCommand.self, TokenizeCommand.self, ModelCommand.self,
          WalletCommand.self,
        ]),
      CommandGroup(name: "Bytecode", subcommands: [EVMCommand.self]),
      CommandGroup(name: "Figures", subcommands: [BenchCommand.self, LoadCommand.self]),
    ])

  /// Every subcommand's name.
  static var subcommandNames: [String] {
    configuration.subcommands.compactMap { $0.configuration.commandName }
  }
}
