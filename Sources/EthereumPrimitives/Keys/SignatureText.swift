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

/// Why something is not a signature, or belongs to nobody.
public enum SignatureError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The count of bytes is not 65; the count that was given.
  case wrongLength(Int)
  /// The text is no hexadecimal byte string.
  case malformed(HexError)
  /// v is none of 0, 1, 27 and 28.
  case invalidRecoveryByte(UInt8)
  /// r is 0, or the group's order or more.
  case rOutOfRange(Word)
  /// s is 0, or the group's order or more.
  case sOutOfRange(Word)
  /// s is in the upper half, where it could be replaced by its negative (EIP-2).
  case highS(Word)
  /// No public key fits the signature and the digest.
  case unrecoverable

  /// What is wrong, in one line.
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
