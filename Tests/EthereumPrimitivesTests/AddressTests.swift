import EthereumPrimitives
import Testing

@Suite("Addresses")
struct AddressTests {
  /// The examples of EIP-55: all upper, all lower and mixed letters.
  static let examples = [
    "0x52908400098527886E0F7030069857D2E4169EE7", "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77", "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
  ]

  @Test("The checksum is that of EIP-55", arguments: examples + Vectors.all.keys.map(\.address))
  func checksum(_ text: String) throws {
    let address = try Address(text)
    #expect(address.checksummed == text)
    #expect(address.description == text)
    #expect(address.lowercaseHex == text.lowercased())
    #expect(try Address(checksummed: text) == address)
    #expect(try Address(text.lowercased()) == address)
    #expect(try Address(bytes: address.bytes) == address)
  }

  @Test("A letter of the wrong case is refused with the right spelling", arguments: examples)
  func wrongCase(_ text: String) throws {
    let swapped =
      "0x" + text.dropFirst(2).map { $0.isUppercase ? $0.lowercased() : $0.uppercased() }.joined()
    #expect(throws: AddressError.wrongChecksum(expected: text, actual: swapped)) {
      try Address(checksummed: swapped)
    }
  }

  @Test(
    "A text of another form is refused",
    arguments: [
      ("", AddressError.malformed(.missingPrefix)), ("0x", .wrongLength(0)),
      (String(examples[0].dropFirst(2)), .malformed(.missingPrefix)),
      (String(examples[0].dropLast()), .malformed(.oddLength(39))),
      (String(examples[0].dropLast(2)), .wrongLength(19)), (examples[0] + "00", .wrongLength(21)),
      (examples[0].replacing("9EE7", with: "9EEg"), .malformed(.invalidDigit(offset: 41))),
    ])
  func refused(_ text: String, _ error: AddressError) {
    #expect(throws: error) { try Address(text) }
  }

  @Test("Addresses are ordered as numbers, and precompiled ones have small numbers")
  func order() throws {
    #expect(
      Address.precompile(0x21).lowercaseHex == "0x" + String(repeating: "0", count: 38) + "21")
    #expect(Address.zero == .precompile(0))
    let ordered =
      try [Address.zero, .precompile(1), .precompile(255)]
      + Self.examples.map { try Address($0) }.sorted()
    #expect(ordered.shuffled().sorted() == ordered)
  }
}

@Suite("Hashes")
struct Hash32Tests {
  @Test("A hash has exactly 32 bytes", arguments: [0, 1, 20, 31, 33, 64])
  func length(_ count: Int) {
    let bytes = [UInt8](repeating: 0xab, count: count)
    #expect(throws: Hash32Error.wrongLength(count)) { try Hash32(bytes: bytes) }
    #expect(throws: Hash32Error.wrongLength(count)) { try Hash32(Hex.encode(bytes)) }
  }

  @Test("A hash reads back from its bytes, its text and its word")
  func roundTrip() throws {
    let bytes = (1...32).map { UInt8($0) }
    let hash = try Hash32(bytes: bytes)
    #expect(hash.bytes == bytes)
    #expect(try Hash32(hash.hex) == hash)
    #expect(Hash32(word: hash.word) == hash)
    #expect(Hash32.zero < hash)
    #expect(throws: Hash32Error.malformed(.missingPrefix)) {
      try Hash32(String(hash.hex.dropFirst(2)))
    }
  }
}
