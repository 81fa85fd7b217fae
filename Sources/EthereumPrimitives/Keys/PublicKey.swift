/// A point of secp256k1 other than the one at infinity.
public struct PublicKey: Hashable, Sendable {
  /// 65 bytes: 0x04, then x and y with the most significant byte first.
  public let uncompressed: [UInt8]

  /// Reads the form of 33 or of 65 bytes.
  ///
  /// - Throws: `PublicKeyError` when the bytes are no point of the curve.
  public init(bytes: some Collection<UInt8>) throws(PublicKeyError) {
    guard let point = Curve.publicKey(parsing: Array(bytes), compressed: false) else {
      throw PublicKeyError(count: bytes.count)
    }
    uncompressed = point
  }

  init(ofSecret secret: SecretBytes) { uncompressed = Curve.publicKey(of: secret) }

  init(recovered point: [UInt8]) { uncompressed = point }

  /// 33 bytes: 0x02 or 0x03 for the parity of y, then x.
  public var compressed: [UInt8] {
    [uncompressed[64] & 1 == 0 ? 0x02 : 0x03] + uncompressed[1...32]
  }

  /// The last 20 bytes of keccak256 of x and y.
  public var address: Address {
    Address(lastBytesOf: Keccak256.hash(uncompressed.dropFirst()))
  }
}

/// Bytes that are no public key.
public struct PublicKeyError: Error, Hashable, Sendable, CustomStringConvertible {
  /// How many bytes there were; 33 or 65 can be right.
  public let count: Int

  /// What is wrong, in one line.
  public var description: String { "the \(count) bytes are no point of secp256k1" }
}
