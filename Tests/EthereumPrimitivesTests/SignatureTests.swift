import EthereumPrimitives
import Testing

@Suite("Signatures")
struct SignatureTests {
  static let good = Vectors.all.eip191[1]

  @Test("v of 0, 1, 27 and 28 are read alike", arguments: Vectors.all.eip191)
  func recoveryByte(_ vector: Vectors.Message) throws {
    let signature = try Signature(hex: vector.signature)
    var bytes = signature.bytes
    bytes[64] -= 27
    #expect(try Signature(bytes: bytes) == signature)
    #expect(signature.hex == vector.signature)
  }

  @Test("Another v is refused with its value", arguments: [2, 3, 26, 29, 35, 255] as [UInt8])
  func wrongRecoveryByte(_ v: UInt8) throws {
    var bytes = try Signature(hex: Self.good.signature).bytes
    bytes[64] = v
    #expect(throws: SignatureError.invalidRecoveryByte(v)) { try Signature(bytes: bytes) }
  }

  @Test("Another length is refused with its count", arguments: [0, 1, 64, 66, 130])
  func wrongLength(_ count: Int) {
    let bytes = [UInt8](repeating: 1, count: count)
    #expect(throws: SignatureError.wrongLength(count)) { try Signature(bytes: bytes) }
    #expect(throws: SignatureError.wrongLength(count)) { try Signature(hex: Hex.encode(bytes)) }
  }

  @Test("A text without 0x or with a wrong digit is refused")
  func malformed() {
    let digits = Self.good.signature.dropFirst(2)
    #expect(throws: SignatureError.malformed(.missingPrefix)) { try Signature(hex: digits) }
    #expect(throws: SignatureError.malformed(.oddLength(129))) {
      try Signature(hex: "0x" + digits.dropLast())
    }
    #expect(throws: SignatureError.malformed(.invalidDigit(offset: 2))) {
      try Signature(hex: "0xg" + digits.dropFirst())
    }
  }

  @Test(
    "r of 0, of the order or more is refused",
    arguments: [.zero, Signature.order, Signature.order + 1, Word.max])
  func r(_ value: Word) {
    #expect(throws: SignatureError.rOutOfRange(value)) { try Signature(r: value, s: 1, yParity: 0) }
  }

  @Test("s of 0, of the order or more is refused", arguments: [.zero, Signature.order, Word.max])
  func s(_ value: Word) {
    #expect(throws: SignatureError.sOutOfRange(value)) { try Signature(r: 1, s: value, yParity: 0) }
  }

  @Test("The largest low s is accepted and the next one refused")
  func lowS() throws {
    let limit = Signature.largestLowS
    #expect(
      limit == 0x7FFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_5D57_6E73_57A4_501D_DFE9_2F46_681B_20A0)
    #expect(try Signature(r: 1, s: limit, yParity: 0).s == limit)
    #expect(throws: SignatureError.highS(limit + 1)) {
      try Signature(r: 1, s: limit + 1, yParity: 0)
    }
  }

  @Test("The twin of a signature with high s is refused", arguments: Vectors.all.eip191)
  func twin(_ vector: Vectors.Message) throws {
    let signature = try Signature(hex: vector.signature)
    let high = Signature.order - signature.s
    #expect(throws: SignatureError.highS(high)) {
      try Signature(r: signature.r, s: high, yParity: 1 - signature.yParity)
    }
  }

  @Test("An r that is no x of a point belongs to nobody")
  func unrecoverable() throws {
    // 5³ + 7 = 132 is no square modulo the field's prime.
    let signature = try Signature(r: 5, s: 1, yParity: 0)
    #expect(throws: SignatureError.unrecoverable) { try signature.recoverAddress(.zero) }
  }

  @Test("No signature with one bit flipped recovers to the signer")
  func bitFlips() throws {
    let hash = try Hash32(Self.good.hash)
    let signer = try SecretKey(hex: Self.good.privateKey).address
    let bytes = try Signature(hex: Self.good.signature).bytes
    for bit in 0..<520 {
      var flipped = bytes
      flipped[bit / 8] ^= 1 << UInt8(bit % 8)
      // What is refused or belongs to nobody has no signer, which is what is wanted.
      let recovered = try? Signature(bytes: flipped).recoverAddress(hash)
      #expect(recovered != signer, "bit \(bit)")
    }
  }

  @Test("Signing from many tasks at once gives each its own signature")
  func concurrency() async throws {
    let key = try SecretKey(hex: Self.good.privateKey)
    try await withThrowingTaskGroup { group in
      for task in 0..<16 {
        group.addTask {
          for round in 0..<20 {
            let hash = Keccak256.hash("\(task) \(round)")
            let recovered = try key.sign(hash).recoverAddress(hash)
            #expect(recovered == key.address)
          }
        }
      }
      try await group.waitForAll()
    }
  }
}

@Suite("Signed messages")
struct PersonalMessageTests {
  @Test("Digest and signature equal those of another implementation", arguments: Vectors.all.eip191)
  func golden(_ vector: Vectors.Message) throws {
    let key = try SecretKey(hex: vector.privateKey)
    #expect(PersonalMessage.hash(vector.message).hex == vector.hash)
    #expect(key.signPersonalMessage(vector.message).hex == vector.signature)
  }

  @Test("The signer's address is recovered from a signature", arguments: Vectors.all.eip191)
  func recovery(_ vector: Vectors.Message) throws {
    let signature = try Signature(hex: vector.signature)
    let address = try signature.recoverAddress(PersonalMessage.hash(vector.message))
    #expect(address == (try SecretKey(hex: vector.privateKey)).address)
  }

  @Test("The length in the prefix counts bytes, not characters")
  func byteLength() {
    let prefixed = Array("\u{19}Ethereum Signed Message:\n3".utf8) + Array("한".utf8)
    #expect(PersonalMessage.hash("한") == Keccak256.hash(prefixed))
  }
}
