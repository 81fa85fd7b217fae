import ArgumentParser

/// `wallet`: keys and what they sign.
struct WalletCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wallet",
    abstract: "Make keys, show their addresses, sign messages.",
    discussion: """
      EXAMPLE
        petals-e2e wallet new --out agent.key
        petals-e2e wallet address --key-file agent.key
      """,
    subcommands: [
      WalletNewCommand.self, WalletAddressCommand.self, WalletSignMessageCommand.self,
      WalletImportCommand.self,
    ])
}
