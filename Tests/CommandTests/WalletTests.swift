import Foundation
import PlumiseWire
import Subprocess
import TestSupport
import Testing

@Suite("Wallet", .timeLimit(.minutes(5)))
struct WalletTests {
  /// The first account of the well-known mnemonic.
  static let key = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
  static let address = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"

  @Test("The address of a known key is the known address")
  func address() async throws {
    try await withTemporaryFolder { folder in
      let file = try folder.write("key", "\(Self.key)\n".utf8)
      let result = try await Command.run("wallet", "address", "--key-file", file, "--json")
      #expect(result.status == .exited(0))
      #expect(try result.json() == ["address": .string(Self.address)])
    }
  }

  @Test("A new key is readable by its owner alone, is never printed, and is not replaced")
  func newKey() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.file("key")
      let made = try await Command.run("wallet", "new", "--out", file, "--json")
      #expect(made.status == .exited(0))
      let attributes = try FileManager.default.attributesOfItem(atPath: file)
      #expect(attributes[.posixPermissions] as? Int == 0o600)
      let key = try String(contentsOfFile: file, encoding: .utf8)
        .trimmingCharacters(in: .whitespacesAndNewlines)
      #expect(!(made.output + made.errors).contains(key.dropFirst(2)))

      let read = try await Command.run("wallet", "address", "--key-file", file, "--json")
      #expect(try read.json()["address"] == made.json()["address"])

      let again = try await Command.run("wallet", "new", "--out", file)
      again.expectRefusal(file, "exists")
      #expect(try String(contentsOfFile: file, encoding: .utf8).hasPrefix(key))
    }
  }

  @Test("A signed message carries address, hash and signature")
  func signMessage() async throws {
    try await withTemporaryFolder { folder in
      let file = try folder.write("key", Self.key.utf8)
      let result = try await Command.run(
        "wallet", "sign-message", "--key-file", file, "--text", "hello", "--json")
      let answer = try result.json()
      #expect(answer["address"]?.stringValue == Self.address)
      // keccak256("\x19Ethereum Signed Message:\n5hello"), as every implementation has it.
      #expect(
        answer["hash"]?.stringValue
          == "0x50b2c43fd39106bafbba0da34fc430e1f91e3c96ea2acee2bc34119f92b37750")
      // As eth-account signs: the nonce of RFC 6979 makes it the only one.
      #expect(
        answer["signature"]?.stringValue
          == "0xf16ea9a3478698f695fd1401bfe27e9e4a7e8e3da94aa72b021125e31fa899cc"
          + "573c48ea3fe1d4ab61a9db10c19032026e3ed2dbccba5a178235ac27f94504311c")
    }
  }

  @Test("A key imported into a keystore comes out again with its password only")
  func keystore() async throws {
    try await withTemporaryFolder { folder in
      let file = try folder.write("key", Self.key.utf8)
      let password = try folder.write("password", "correct horse\n".utf8)
      let wrong = try folder.write("wrong", "battery staple\n".utf8)
      let keystore = folder.file("key.json")
      let made = try await Command.run(
        "wallet", "import", "--key-file", file, "--out", keystore, "--out-password-file", password)
      #expect(made.status == .exited(0), "\(made.errors)")

      let read = try await Command.run(
        "wallet", "address", "--key-file", keystore, "--password-file", password)
      #expect(read.output == "\(Self.address)\n")
      try await Command.run(
        "wallet", "address", "--key-file", keystore, "--password-file", wrong
      ).expectRefusal(keystore, "password")
      try await Command.run("wallet", "address", "--key-file", keystore)
        .expectRefusal(keystore, "--password-file")
    }
  }

  @Test(
    "An empty password is one when its file is there", arguments: ["", "\n", "\r\n\r\n"])
  func emptyPassword(_ text: String) async throws {
    try await withTemporaryFolder { folder in
      let file = try folder.write("key", Self.key.utf8)
      let password = try folder.write("password", text.utf8)
      let keystore = folder.file("key.json")
      let made = try await Command.run(
        "wallet", "import", "--key-file", file, "--out", keystore, "--out-password-file", password)
      #expect(made.status == .exited(0), "\(made.errors)")
      let read = try await Command.run(
        "wallet", "address", "--key-file", keystore, "--password-file", password)
      #expect(read.output == "\(Self.address)\n", "\(read.errors)")
      try await Command.run(
        "wallet", "address", "--key-file", keystore, "--password-file", folder.file("none")
      ).expectRefusal("password file", folder.file("none"))
    }
  }

  @Test("A keystore is written by the letter: its id is a UUID in lower case")
  func letter() async throws {
    try await withTemporaryFolder { folder in
      let password = try folder.write("password", "p".utf8)
      let file = folder.file("key.json")
      let made = try await Command.run("wallet", "new", "--out", file, "--password-file", password)
      #expect(made.status == .exited(0), "\(made.errors)")
      let keystore = try JSON.parse(Array(try Data(contentsOf: URL(filePath: file))))
      let id = try #require(keystore["id"]?.stringValue)
      #expect(UUID(uuidString: id) != nil && id == id.lowercased())
      #expect(keystore["version"] == 3 && keystore["crypto"]?["kdf"] == "scrypt")
    }
  }

  /// The known key under the password `pw`, as PBKDF2 with 1000 rounds seals it.
  static let keystores: [String] = [
    #"{"Crypto":\#(crypto),"version":"3","id":"mine","address":""}"#,
    "\u{FEFF}{\"crypto\":\(crypto),\"version\":3,\"address\":\"\(address)\"}",
  ]
  static let crypto = """
    {"cipher":"aes-128-ctr","cipherparams":{"iv":"000102030405060708090a0b0c0d0e0f"},\
    "ciphertext":"04fdf14e3c68ffc8ab1e7ed9168f7ec9c91e499c69c51efbc731e16c2199c28c","kdf":"pbkdf2","kdfparams":{"c":1000,"dklen":64,\
    "prf":"hmac-sha256","salt":"00"},"mac":"70e9c674c0c5dfe68a210c38cddcf3f72b76b5f02c01c746fb5c860572289fe9"}
    """

  @Test("A keystore is read in the spellings of its writers", arguments: keystores)
  func spellings(_ text: String) async throws {
    try await withTemporaryFolder { folder in
      let password = try folder.write("password", "pw\n".utf8)
      let file = try folder.write("key.json", text.utf8)
      let read = try await Command.run(
        "wallet", "address", "--key-file", file, "--password-file", password)
      #expect(read.output == "\(Self.address)\n", "\(read.errors)")
    }
  }

  @Test("A key file may begin with a byte order mark")
  func mark() async throws {
    try await withTemporaryFolder { folder in
      let file = try folder.write("key", "\u{FEFF}\(Self.key)\r\n".utf8)
      let read = try await Command.run("wallet", "address", "--key-file", file)
      #expect(read.output == "\(Self.address)\n", "\(read.errors)")
    }
  }

  @Test(
    "A malformed key is refused, and why",
    arguments: [
      ("", "begin with 0x"), ("hello", "begin with 0x"), ("ac0974", "begin with 0x"),
      ("0x12", "32 bytes"), ("0x" + String(repeating: "12", count: 33), "32 bytes"),
      ("0x" + String(repeating: "0", count: 64), "the order of secp256k1"),
      ("0x" + String(repeating: "f", count: 64), "the order of secp256k1"),
      // The order itself is the least that is too large.
      (
        "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
        "the order of secp256k1"
      ),
    ])
  func malformedKey(_ text: String, _ reason: String) async throws {
    try await withTemporaryFolder { folder in
      let file = try folder.write("key", text.utf8)
      try await Command.run("wallet", "address", "--key-file", file).expectRefusal(file, reason)
    }
  }

  @Test("A key file that others can read is refused", arguments: [0o644, 0o640, 0o604])
  func readableByOthers(_ mode: Int) async throws {
    try await withTemporaryFolder { folder in
      let file = try folder.write("key", Self.key.utf8, mode: mode)
      try await Command.run("wallet", "address", "--key-file", file)
        .expectRefusal(file, "chmod 600")
    }
  }

  @Test("A key file that does not exist is refused by name")
  func missingKey() async throws {
    try await Command.run("wallet", "address", "--key-file", "/nowhere/key")
      .expectRefusal("/nowhere/key")
  }
}
