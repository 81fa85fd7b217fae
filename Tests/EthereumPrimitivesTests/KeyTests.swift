import EthereumPrimitives
import Testing

@Suite("Secret keys")
struct KeyTests {
  @Test(
    "A key has the public key and address of another implementation", arguments: Vectors.all.keys)
  func golden(_ vector: Vectors.Key) throws {
    let key = try SecretKey(hex: vector.privateKey)
    #expect(key.address.checksummed == vector.address)
    #expect(Hex.encode(key.publicKey.uncompressed) == vector.publicKey)
    #expect(key.exposedHex() == vector.privateKey)
  }

  @Test("A compressed public key reads back to the same point", arguments: Vectors.all.keys)
  func compressed(_ vector: Vectors.Key) throws {
    let key = try SecretKey(hex: vector.privateKey).publicKey
    #expect(key.compressed.count == 33)
    #expect(try PublicKey(bytes: key.compressed) == key)
    #expect(try PublicKey(bytes: key.uncompressed) == key)
  }

  @Test(
    "A value that is no scalar of the curve is refused",
    arguments: [
      Word.zero, Signature.order, Signature.order + 1, Word.max,
    ])
  func outOfRange(_ value: Word) {
    #expect(throws: SecretKeyError.outOfRange) { try SecretKey(bytes: value.bigEndianBytes) }
  }

  @Test(
    "The smallest and the largest scalar are keys", arguments: [1 as Word, Signature.order - 1])
  func limits(_ value: Word) throws {
    let key = try SecretKey(bytes: value.bigEndianBytes)
    #expect(try key.sign(.zero).recoverAddress(.zero) == key.address)
  }

  @Test("A key of another length is refused with its count", arguments: [0, 1, 31, 33, 64])
  func wrongLength(_ count: Int) {
    #expect(throws: SecretKeyError.wrongLength(count)) {
      try SecretKey(bytes: [UInt8](repeating: 1, count: count))
    }
  }

  @Test("A key goes from a file's bytes and back without a string", arguments: Vectors.all.keys)
  func fileBytes(_ vector: Vectors.Key) throws {
    let text = SecretBytes(vector.privateKey.utf8)
    let key = try text.withUnsafeBytes { try SecretKey(hexCharacters: $0) }
    #expect(key.address.checksummed == vector.address)
    let line = key.fileLine().withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    #expect(line == vector.privateKey + "\n")
  }

  @Test(
    "Digits that are no key are refused for the same reasons, as text and as bytes",
    arguments: [
      "", "0x", "ab", "0x1", "0xzz", "0x0g" + String(repeating: "0", count: 62), "0xabab",
    ])
  func malformedDigits(_ text: String) {
    let error = #expect(throws: SecretKeyError.self) { try SecretKey(hex: text) }
    let other = #expect(throws: SecretKeyError.self) {
      try SecretKey(hexCharacters: Array(text.utf8))
    }
    #expect(error == other)
    do {
      let bytes = try Hex.decode(text)
      #expect(error == .wrongLength(bytes.count))
    } catch {
      #expect(other == .malformed(error))
    }
  }

  @Test("No description, dump or error shows a key")
  func redaction() throws {
    let digits = String(repeating: "ab", count: 32)
    let key = try SecretKey(hex: "0x" + digits)
    var dumped = ""
    dump(key, to: &dumped)
    dump([key], to: &dumped)
    let texts = ["\(key)", key.debugDescription, String(reflecting: [key]), dumped]
    for text in texts {
      #expect(!text.contains("abab") && !text.contains("171"))
    }
    let error = #expect(throws: SecretKeyError.self) { try SecretKey(hex: "0x" + digits + "ab") }
    #expect(error?.description == "a secret key has 32 bytes, not 33")
  }

  @Test("Random keys differ, and each signs for its own address")
  func random() throws {
    let keys = (0..<8).map { _ in SecretKey.random() }
    #expect(Set(keys.map(\.address)).count == 8)
    for key in keys {
      #expect(try key.sign(.zero).recoverAddress(.zero) == key.address)
    }
  }

  @Test("Bytes that are no point are no public key", arguments: [0, 32, 33, 64, 65, 66])
  func noPoint(_ count: Int) {
    let error = #expect(throws: PublicKeyError.self) {
      try PublicKey(bytes: [UInt8](repeating: 0xff, count: count))
    }
    #expect(error?.count == count)
  }
}

@Suite("Mnemonics")
struct MnemonicTests {
  @Test(
    "The development phrase leads to its well-known accounts",
    arguments: [
      (0 as UInt32, "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
      (1, "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
      (2, "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
      (9, "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"),
    ])
  func development(_ index: UInt32, _ address: String) throws {
    #expect(try Mnemonic.development.key(at: index).address.checksummed == address)
  }

  @Test("A passphrase leads to other keys")
  func passphrase() throws {
    let phrase = "test test test test test test test test test test test junk"
    let plain = try Mnemonic(phrase).key(at: 0).address
    let protected = try Mnemonic(phrase, passphrase: "TREZOR").key(at: 0).address
    #expect(plain != protected)
  }

  @Test("Letters in composed and decomposed form are one phrase")
  func normalisation() throws {
    let composed = try Mnemonic("\u{e9}").key(at: 0).address
    let decomposed = try Mnemonic("e\u{301}").key(at: 0).address
    #expect(composed == decomposed)
  }

  @Test("An index of 2³¹ or more is refused", arguments: [1 << 31, UInt32.max])
  func hardenedIndex(_ index: UInt32) {
    #expect(throws: MnemonicError.indexTooLarge(index)) {
      try Mnemonic.development.key(at: index)
    }
  }

  @Test("No description or dump shows the words")
  func redaction() {
    var dumped = ""
    dump(Mnemonic.development, to: &dumped)
    let text = "\(Mnemonic.development)" + String(reflecting: Mnemonic.development) + dumped
    #expect(!text.contains("junk"))
  }
}

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
