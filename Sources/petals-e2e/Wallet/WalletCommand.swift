import ArgumentParser
import EthereumPrimitives
import JSONValues

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
