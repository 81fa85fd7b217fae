import ArgumentParser
import EthereumPrimitives

/// `wallet sign-message`: a signature over a text (EIP-191 `personal_sign`).
struct WalletSignMessageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sign-message",
    abstract: "Sign a text as personal_sign does.",
    discussion: """
      EXAMPLE
        petals-e2e wallet sign-message --key-file agent.key --text 'hello' --json
      """)

  @OptionGroup var key: KeyOptions

  @Option(help: "The text to sign.")
  var text: String

  @OptionGroup var output: OutputOptions

  func run() throws {
    let key = try key.key()
    let signature = key.signPersonalMessage(text).hex
    output.result(
      [
        "address": .string(key.address.checksummed),
        "hash": .string(PersonalMessage.hash(text).hex),
        "signature": .string(signature),
      ],
      text: signature)
  }
}
