import ArgumentParser
import EthereumPrimitives

/// `wallet address`: the address of a key, with its checksum (EIP-55).
struct WalletAddressCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "address",
    abstract: "Print the address of a key.",
    discussion: """
      EXAMPLE
        petals-e2e wallet address --key-file agent.key
      """)

  @OptionGroup var key: KeyOptions
  @OptionGroup var output: OutputOptions

  func run() throws {
    let address = try key.key().address.checksummed
    output.result(["address": .string(address)], text: address)
  }
}
