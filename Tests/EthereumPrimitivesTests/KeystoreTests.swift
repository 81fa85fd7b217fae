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

/// The numbers of a keystore come from outside: none ends the process, or takes all its memory.
@Suite("Numbers in keystores")
struct KeystoreNumberTests {
  /// 0, each power of two up to 2²⁵⁶ and its neighbours, their negatives, fractions, and no numbers.
  static let extremes: [String] = {
    var values = ["0", "-0", "0.5", "-1.5", "3.0", "1e18", "1e400", "-1e400", "1e-400", "1E19"]
    values += ["true", "[]", "{}", "\"\"", "\"-1\"", "\"+1\"", "\"0x20\"", "\"NaN\"", "\"1e3\""]
    var digits = [1]
    for _ in 0...256 {
      let number = digits.reversed().map(String.init).joined()
      // No power of two ends in 0 or 9: its neighbours differ from it in the last digit alone.
      let stem = number.dropLast()
      for text in ["\(stem)\(digits[0] - 1)", number, "\(stem)\(digits[0] + 1)"] {
        values += [text, "-\(text)", "\"\(text)\""]
      }
      var carry = 0
      for place in digits.indices {
        let doubled = 2 * digits[place] + carry
        (digits[place], carry) = (doubled % 10, doubled / 10)
      }
      if carry > 0 { digits.append(carry) }
    }
    return values
  }()

  /// A field, and a keystore with `@` in the place of its number.
  struct Field: CustomTestStringConvertible {
    let name, text: String
    var testDescription: String { name }

    init(_ name: String, _ kdf: String, _ parameters: String, version: String = "3") {
      self.name = name
      text = KeystoreSpellingTests.text(
        (#"{"c":1,"dklen":32,"prf":"hmac-sha256","salt":"00"}"#, "{\(parameters)}"),
        (#""kdf":"pbkdf2""#, "\"kdf\":\"\(kdf)\""),
        (#""version":3"#, "\"version\":\(version)"))
    }
  }

  static let fields = [
    Field("n", "scrypt", #""dklen":32,"n":@,"r":8,"p":1,"salt":"""#),
    Field("r", "scrypt", #""dklen":32,"n":2,"r":@,"p":1,"salt":"""#),
    Field("p", "scrypt", #""dklen":32,"n":2,"r":8,"p":@,"salt":"""#),
    Field("dklen", "scrypt", #""dklen":@,"n":2,"r":8,"p":1,"salt":"""#),
    Field("c", "pbkdf2", #""dklen":32,"c":@,"prf":"hmac-sha256","salt":"""#),
    Field("dklen", "pbkdf2", #""dklen":@,"c":1,"prf":"hmac-sha256","salt":"""#),
    Field("version", "pbkdf2", #""dklen":32,"c":1,"prf":"hmac-sha256","salt":"""#, version: "@"),
  ]

  @Test("Whatever a number is, it is within its limits or refused by its name", arguments: fields)
  func extremes(_ field: Field) {
    var accepted = 0
    for value in Self.extremes {
      do throws(KeystoreError) {
        let text = field.text.replacing("@", with: value)
        let cost = try Keystore(json: text.utf8).derivation.cost
        accepted += 1
        if case .scrypt(let n, let r, let p) = cost {
          // In 128 bytes: the table, and the blocks.
          let most = KeyDerivation.memoryLimit / 128
          #expect(n * r <= most && p * r <= most, "\(field.name) = \(value)")
          #expect(n * r * p <= KeyDerivation.workLimit, "\(field.name) = \(value)")
        }
      } catch {
        let words = "\(error)"
        let isNamed =
          words.contains("\(field.name) is ") || (field.name == "n" && words.contains("n·r"))
        #expect(isNamed, "\(field.name) = \(value): \(words)")
      }
    }
    #expect(accepted > 0 && accepted < Self.extremes.count)
  }

  @Test(
    "A cost that only memory or time limits is refused with the limit",
    arguments: [
      (.scrypt(n: 1 << 24, r: 1, p: 1), "n·r from 1 to 8388608"),
      (.scrypt(n: 1 << 20, r: 16, p: 1), "n·r from 1 to 8388608"),
      (.scrypt(n: 1 << 20, r: 8, p: 17), "p is 17; accepted is 1 to 16"),
      (.scrypt(n: 2, r: 1 << 20, p: 9), "p is 9; accepted is 1 to 8"),
      (.pbkdf2(iterations: .max), "c is 4294967295; accepted is 1 to 10000000"),
    ] as [(KeyDerivation.Cost, String)])
  func limits(_ cost: KeyDerivation.Cost, _ reason: String) {
    let error = #expect(throws: KeystoreError.self) { try KeyDerivation(cost: cost, salt: []) }
    #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
  }
}

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
