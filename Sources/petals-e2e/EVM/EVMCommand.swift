import ArgumentParser

/// `evm`: bytecode without a chain around it.
struct EVMCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evm",
    abstract: "Run bytecode, or Ethereum's state tests.",
    discussion: """
      EXAMPLE
        petals-e2e evm run --code 0x600160020160005260206000f3
        petals-e2e evm state-test Tests/TestVectors/evm/state-tests-04.jsonl.gz
      """,
    subcommands: [EVMStateTestCommand.self, EVMRunCommand.self])
}
