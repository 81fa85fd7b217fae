import ArgumentParser
import EthereumPrimitives

/// The key that a subcommand signs with.
struct KeyOptions: ParsableArguments {
  @Option(
    help: """
      A file with the secret key, which only its owner may be able to read: 0x and 64 digits, or a \
      V3 keystore.
      """)
  var keyFile: String

  @Option(help: "A file whose first line is the keystore's password.")
  var passwordFile: String?

  func key() throws -> SecretKey {
    try KeyFile.read(keyFile, passwordPath: passwordFile)
  }
}
