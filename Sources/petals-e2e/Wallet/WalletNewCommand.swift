import ArgumentParser
import EthereumPrimitives

/// `wallet new`: a fresh random key in a file of its own, never printed.
struct WalletNewCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new",
    abstract: "Make a random key and write it to a new file.",
    discussion: """
      EXAMPLE
        petals-e2e wallet new --out agent.key
        petals-e2e wallet new --out agent.json --password-file password
      """)

  @Option(help: "The file to write; it must not exist, and only its owner will be able to read it.")
  var out: String

  @Option(help: "Write a V3 keystore under the password in this file's first line.")
  var passwordFile: String?

  @OptionGroup var output: OutputOptions

  func run() throws {
    let key = SecretKey.random()
    try KeyFile.write(key, to: out, passwordPath: passwordFile)
    let address = key.address.checksummed
    output.result(["address": .string(address), "file": .string(out)], text: address)
  }
}
