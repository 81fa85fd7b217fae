import ArgumentParser
import EthereumPrimitives

/// `wallet import`: an existing key, in a keystore.
struct WalletImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Write a key to a new V3 keystore.",
    discussion: """
      EXAMPLE
        petals-e2e wallet import --key-file agent.key --out agent.json \\
          --out-password-file password
      """)

  @OptionGroup var key: KeyOptions

  @Option(help: "The keystore to write; it must not exist.")
  var out: String

  @Option(help: "A file whose first line will be the new keystore's password.")
  var outPasswordFile: String

  @OptionGroup var output: OutputOptions

  func run() throws {
    let key = try key.key()
    try KeyFile.write(key, to: out, passwordPath: outPasswordFile)
    let address = key.address.checksummed
    output.result(["address": .string(address), "file": .string(out)], text: address)
  }
}
