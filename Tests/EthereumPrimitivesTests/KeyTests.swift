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
