import EthereumPrimitives
import Foundation
import Testing

@Suite("Keystores")
struct KeystoreTests {
  @Test("A keystore of another implementation gives its key", arguments: Vectors.all.keystores)
  func golden(_ vector: Vectors.Stored) throws {
    let key = try vector.keystore.key(password: vector.password)
    #expect(key.exposedHex() == vector.privateKey)
    #expect(key.address == vector.keystore.address)
  }

  static let costs: [KeyDerivation.Cost] = [
    .scrypt(n: 2, r: 8, p: 1), .scrypt(n: 1024, r: 1, p: 2), .pbkdf2(iterations: 1000),
  ]

  @Test("A key that was encrypted and written reads back", arguments: costs)
  func roundTrip(_ cost: KeyDerivation.Cost) throws {
    let key = SecretKey.random()
    let written = try Keystore(encrypting: key, password: "비밀번호 🔑", cost: cost)
    let read = try Keystore(json: written.json())
    #expect(read == written)
    #expect(try read.key(password: "비밀번호 🔑").exposedHex() == key.exposedHex())
  }

  @Test("Another password is refused", arguments: costs, ["", "Password", "password "])
  func wrongPassword(_ cost: KeyDerivation.Cost, _ password: String) throws {
    let stored = try Keystore(encrypting: .random(), password: "password", cost: cost)
    #expect(throws: KeystoreError.wrongPassword) { try stored.key(password: password) }
  }

  @Test("Two keystores of one key share neither salt nor ciphertext")
  func salted() throws {
    let key = SecretKey.random()
    let one = try Keystore(encrypting: key, password: "p", cost: Self.costs[0])
    let two = try Keystore(encrypting: key, password: "p", cost: Self.costs[0])
    #expect(one.derivation.salt != two.derivation.salt)
    #expect(one.id != two.id)
  }

  @Test(
    "A file with a slip is refused, and the error names the field",
    arguments: [
      ("\"version\" : 3", "\"version\" : 1", "version is 1"),
      ("aes-128-ctr", "aes-256-gcm", "cipher is aes-256-gcm"),
      ("\"scrypt\"", "\"argon2\"", "kdf is argon2"),
      ("\"dklen\" : 32", "\"dklen\" : 16", "dklen is 16"),
      ("\"n\" : 2,", "\"n\" : 3,", "n is 3"),
      ("\"n\" : 2,", "\"n\" : 1099511627776,", "r is 8"),
      ("\"p\" : 1,", "\"p\" : 0,", "p is 0"),
      ("\"n\" : 2,", "", "needs n, r and p"),
      ("\"mac\" : \"", "\"mac\" : \"00", "mac has 33 bytes"),
      ("\"ciphertext\"", "\"cipher_text\"", "crypto.ciphertext is missing"),
      ("\"iv\" : \"", "\"iv\" : \"zz", "iv: character 0"),
      ("\"address\" : \"", "\"address\" : \"0", "address: "),
      ("{", "", "no JSON object"),
    ])
  func slips(_ old: String, _ new: String, _ reason: String) throws {
    let stored = try Keystore(encrypting: .random(), password: "p", cost: Self.costs[0])
    var text = String(decoding: try stored.json(), as: UTF8.self)
    let range = try #require(text.firstRange(of: old))
    text.replaceSubrange(range, with: new)
    let error = #expect(throws: KeystoreError.self) { try Keystore(json: Array(text.utf8)) }
    #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
  }

  @Test("A keystore that names another account is refused with both addresses")
  func wrongAddress() throws {
    let key = SecretKey.random()
    let stored = try Keystore(encrypting: key, password: "p", cost: Self.costs[0])
    let text = String(decoding: try stored.json(), as: UTF8.self)
    let digits = key.address.lowercaseHex.dropFirst(2)
    let other = text.replacing(digits, with: Address.zero.lowercaseHex.dropFirst(2))
    let altered = try Keystore(json: Array(other.utf8))
    #expect(throws: KeystoreError.wrongAddress(expected: .zero, actual: key.address)) {
      try altered.key(password: "p")
    }
  }
}
