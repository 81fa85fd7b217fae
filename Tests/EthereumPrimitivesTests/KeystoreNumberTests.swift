import EthereumPrimitives
import Testing

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
