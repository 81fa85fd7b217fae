import EthereumPrimitives
import Foundation
import Testing

/// Keystores as their many writers spell them.
@Suite("Spellings of keystores")
struct KeystoreSpellingTests {
  @Test(
    "A keystore in a spelling of its writers gives its key",
    arguments: Vectors.all.keystoreSpellings)
  func spelling(_ vector: Vectors.Spelling) throws {
    let keystore = try Keystore(json: vector.text.utf8)
    #expect(try keystore.key(password: vector.password).exposedHex() == vector.privateKey)
    // By the letter it is the same keystore; the slow ones are the same but for their cost.
    guard !vector.text.contains("262144") else { return }
    let written = try Keystore(json: keystore.json())
    #expect(try written.key(password: vector.password).exposedHex() == vector.privateKey)
  }

  @Test("What decryption needs is checked in every spelling: another password opens none")
  func wrongPassword() throws {
    // The slow ones are the same but for their cost.
    for vector in Vectors.all.keystoreSpellings where !vector.text.contains("262144") {
      let keystore = try Keystore(json: vector.text.utf8)
      #expect(throws: KeystoreError.wrongPassword, "\(vector.name)") {
        try keystore.key(password: vector.password + "x")
      }
    }
  }

  @Test("A keystore is written by the letter: lower case, a UUID, no prefixes, 32 bytes")
  func letter() throws {
    let key = SecretKey.random()
    let keystore = try Keystore(encrypting: key, password: "p", cost: .scrypt(n: 2, r: 1, p: 1))
    let text = String(decoding: try keystore.json(), as: UTF8.self)
    let id = try #require(keystore.id).uuidString.lowercased()
    #expect(text.contains("\"id\" : \"\(id)\""))
    #expect(text.contains("\"address\" : \"\(key.address.lowercaseHex.dropFirst(2))\""))
    for member in ["\"crypto\"", "\"version\" : 3", "\"dklen\" : 32", "\"kdf\" : \"scrypt\""] {
      #expect(text.contains(member), "\(member) is missing")
    }
    // Neither function's parameters stray into the other's.
    #expect(!text.contains("0x") && !text.contains("prf") && text == text.lowercased())
  }

  @Test("A keystore that was read without a name is written with one")
  func named() throws {
    let keystore = try Keystore(encrypting: .random(), password: "p", cost: .pbkdf2(iterations: 1))
    let id = try #require(keystore.id).uuidString.lowercased()
    let text = String(decoding: try keystore.json(), as: UTF8.self)
    let nameless = try Keystore(json: text.replacing(id, with: "my key").utf8)
    #expect(nameless.id == nil)
    #expect(try Keystore(json: nameless.json()).id != nil)
  }

  static let base =
    #"{"version":3,"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"IV"},"#
    + #""ciphertext":"CT","kdf":"pbkdf2","kdfparams":{"c":1,"dklen":32,"prf":"hmac-sha256","#
    + #""salt":"00"},"mac":"MAC"}}"#

  /// A keystore whose digits have the right lengths.
  static func text(_ changes: (old: String, new: String)...) -> String {
    let changes = changes + [("IV", digits(16)), ("CT", digits(32)), ("MAC", digits(32))]
    return changes.reduce(base) { $0.replacing($1.old, with: $1.new) }
  }

  static func digits(_ count: Int) -> String { String(repeating: "5d", count: count) }

  @Test(
    "What cannot be decrypted is refused by the name of its field",
    arguments: [
      (text(("hmac-sha256", "hmac-sha1")), "prf is hmac-sha1"),
      (text((#""prf":"hmac-sha256","#, "")), "prf is missing"),
      (text(("IV", digits(17))), "iv has 17 bytes"), (text(("IV", "")), "iv has 0 bytes"),
      (text(("CT", digits(33))), "ciphertext has 33 bytes"),
      (text(("CT", "0x")), "ciphertext has 0 bytes"),
      (text(("MAC", digits(31))), "mac has 31 bytes"),
      (text((#""c":1,"#, "")), "needs c"), (text(("\"c\":1", "\"c\":null")), "needs c"),
      (text((#""version":3"#, #""version":4"#)), "version is 4"),
      (text((#""version":3"#, #""version":"1""#)), "version is 1"),
      (text((#""version":3,"#, "")), "version is missing"),
      (text((#""crypto""#, #""encrypted""#)), "crypto is missing"),
      (text((#""mac":"MAC""#, #""mac":7"#)), "mac has the wrong type"),
      (#"{"version":3,"crypto":[]}"#, "crypto has the wrong type"), ("[]", "no JSON object"),
      ("{}", "version is missing"), ("", "no JSON object"), ("\u{FEFF}", "no JSON object"),
    ])
  func refusal(_ text: String, _ reason: String) {
    let error = #expect(throws: KeystoreError.self) { try Keystore(json: text.utf8) }
    #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
  }
}
