/// A recoverable ECDSA signature in the one form that Ethereum accepts: low s, parity 0 or 1.
public struct Signature: Hashable, Sendable {
  /// The x coordinate of the nonce's point, from 1 to the group's order − 1.
  public let r: Word
  /// The proof, from 1 to half the group's order (EIP-2).
  public let s: Word
  /// The parity of the y coordinate of the nonce's point, 0 or 1.
  public let yParity: UInt8

  /// The order n of the group of secp256k1.
  public static let order: Word =
    0xFFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFE_BAAE_DCE6_AF48_A03B_BFD2_5E8C_D036_4141

  /// The largest s that is low: n / 2, rounded down.
  public static let largestLowS = order / 2

  /// A signature of its three parts.
  ///
  /// - Throws: `SignatureError` when a part is out of its range.
  public init(r: Word, s: Word, yParity: UInt8) throws(SignatureError) {
    guard !r.isZero, r < Self.order else { throw .rOutOfRange(r) }
    guard !s.isZero, s < Self.order else { throw .sOutOfRange(s) }
    guard s <= Self.largestLowS else { throw .highS(s) }
    guard yParity < 2 else { throw .invalidRecoveryByte(yParity) }
    self.r = r
    self.s = s
    self.yParity = yParity
  }

  /// 64 bytes that the library has just made, and which it keeps in range.
  init(compact: [UInt8], yParity: UInt8) {
    func word(_ bytes: ArraySlice<UInt8>) -> Word {
      bytes.reduce(.zero) { $0 << 8 | $1 }
    }
    r = word(compact[..<32])
    s = word(compact[32...])
    self.yParity = yParity
  }

  /// The account whose key made the signature over a digest.
  ///
  /// - Throws: `SignatureError.unrecoverable` when no key can have made it.
  public func recoverAddress(_ hash: Hash32) throws(SignatureError) -> Address {
    try recoverPublicKey(hash).address
  }

  /// The public key that belongs to the signature over a digest.
  ///
  /// - Throws: `SignatureError.unrecoverable` when no key can have made it.
  public func recoverPublicKey(_ hash: Hash32) throws(SignatureError) -> PublicKey {
    let compact = r.bigEndianBytes + s.bigEndianBytes
    guard let point = Curve.recover(hash, compact: compact, yParity: yParity) else {
      throw .unrecoverable
    }
    return PublicKey(recovered: point)
  }
}

extension Signature {
  /// Reads r, s and v: 65 bytes, where v is 27 or 28, or 0 or 1.
  ///
  /// - Throws: `SignatureError` when the count differs or a part is out of its range.
  public init(bytes: some Collection<UInt8>) throws(SignatureError) {
    guard bytes.count == 65 else { throw .wrongLength(bytes.count) }
    let bytes = Array(bytes)
    let v = bytes[64]
    guard v < 2 || v == 27 || v == 28 else { throw .invalidRecoveryByte(v) }
    let r = bytes[..<32].reduce(Word.zero) { $0 << 8 | $1 }
    let s = bytes[32..<64].reduce(Word.zero) { $0 << 8 | $1 }
    try self.init(r: r, s: s, yParity: v < 2 ? v : v - 27)
  }

  /// Reads `0x` and 130 digits of any case.
  ///
  /// - Throws: `SignatureError` when the text has another form or a part is out of its range.
  public init(hex: some StringProtocol) throws(SignatureError) {
    let bytes: [UInt8]
    do { bytes = try Hex.decode(hex) } catch { throw .malformed(error) }
    try self.init(bytes: bytes)
  }

  /// r, s and v: 65 bytes, where v is 27 or 28.
  public var bytes: [UInt8] {
    r.bigEndianBytes + s.bigEndianBytes + [27 + yParity]
  }

  /// The 65 bytes as `0x` and 130 lowercase digits.
  public var hex: String { Hex.encode(bytes) }
}

extension Signature: CustomStringConvertible {
  /// The hexadecimal form.
  public var description: String { hex }
}

/// An error of a malformed signature, or of one that no key can have made.
public enum SignatureError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The count of bytes is not 65; the count that was given.
  case wrongLength(Int)
  /// The text is no hexadecimal byte string.
  case malformed(HexError)
  /// The byte v is not 0, 1, 27 or 28.
  case invalidRecoveryByte(UInt8)
  /// r is 0, or the group's order or more.
  case rOutOfRange(Word)
  /// s is 0, or the group's order or more.
  case sOutOfRange(Word)
  /// s is in the upper half, where it could be replaced by its negative (EIP-2).
  case highS(Word)
  /// No public key fits the signature and the digest.
  case unrecoverable

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .wrongLength(let count): "a signature has 65 bytes, not \(count)"
    case .malformed(let error): "malformed signature: \(error)"
    case .invalidRecoveryByte(let v): "the signature's v must be 27, 28, 0 or 1, not \(v)"
    case .rOutOfRange: "the signature's r is 0 or not below the order of secp256k1"
    case .sOutOfRange: "the signature's s is 0 or not below the order of secp256k1"
    case .highS: "the signature's s lies in the upper half of the order; only low s is accepted"
    case .unrecoverable: "no public key belongs to the signature"
    }
  }
}

/// The digest that a wallet signs for a text (EIP-191, version 0x45, `personal_sign`).
public enum PersonalMessage {
  /// The digest of the UTF-8 form of a text.
  public static func hash(_ text: String) -> Hash32 { hash(Array(text.utf8)) }

  /// keccak256 of 0x19, `Ethereum Signed Message:`, a line feed, the count of bytes in decimal,
  /// and the bytes.
  public static func hash(_ bytes: [UInt8]) -> Hash32 {
    Keccak256.hash(Array("\u{19}Ethereum Signed Message:\n\(bytes.count)".utf8) + bytes)
  }
}
