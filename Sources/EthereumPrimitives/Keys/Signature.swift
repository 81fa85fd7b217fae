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
