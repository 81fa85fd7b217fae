/// A secp256k1 secret key.
///
/// Its bytes are wiped with the last copy, and no description, dump or mirror shows them.
/// Signatures are deterministic (RFC 6979) with low s.
public struct SecretKey: Sendable {
  let bytes: SecretBytes
  /// The public key, derived once.
  public let publicKey: PublicKey

  /// A key of 32 bytes, the most significant first.
  ///
  /// - Throws: `SecretKeyError` when the count differs, or the value is 0 or the group's order or
  ///   more.
  public init(bytes: some Collection<UInt8>) throws(SecretKeyError) {
    try self.init(secret: SecretBytes(bytes))
  }

  /// Reads `0x` and 64 digits of any case.
  ///
  /// - Throws: `SecretKeyError`, whose text never contains the input.
  public init(hex: some StringProtocol) throws(SecretKeyError) {
    try self.init(hexCharacters: hex.utf8)
  }

  /// Reads `0x` and 64 digits in ASCII, without copies that are not wiped.
  ///
  /// - Throws: `SecretKeyError`, whose text never contains the input.
  package init(hexCharacters: some Collection<UInt8>) throws(SecretKeyError) {
    let secret: SecretBytes
    do { secret = try Hex.decodeSecret(hexCharacters) } catch { throw .malformed(error) }
    try self.init(secret: secret)
  }

  init(secret: SecretBytes) throws(SecretKeyError) {
    guard secret.count == 32 else { throw .wrongLength(secret.count) }
    guard Curve.isSecretKey(secret) else { throw .outOfRange }
    self.bytes = secret
    publicKey = PublicKey(ofSecret: secret)
  }

  /// A new key from the system's randomness.
  public static func random() -> SecretKey {
    while true {
      let bytes = SecretBytes(count: 32) { Libcrypto.fillRandom($0) }
      // One draw in 2¹²⁷ is no key, and is drawn again.
      if let key = try? SecretKey(secret: bytes) { return key }
    }
  }

  /// The account that the key controls.
  public var address: Address { publicKey.address }

  /// Signs a digest as it is.
  public func sign(_ hash: Hash32) -> Signature {
    let (compact, yParity) = Curve.sign(hash, with: bytes)
    return Signature(compact: compact, yParity: yParity)
  }

  /// Signs the UTF-8 form of a text as wallets do (EIP-191, `personal_sign`).
  public func signPersonalMessage(_ text: String) -> Signature {
    sign(PersonalMessage.hash(text))
  }

  /// The key as `0x` and 64 digits, for key files and for the keys of a development chain.
  ///
  /// The string is an ordinary one: it is not wiped, and it is the caller's to keep secret.
  public func exposedHex() -> String { bytes.withUnsafeBytes { Hex.encode($0) } }

  /// The line that a key file holds, `0x`, 64 digits and a line feed, in bytes that are wiped.
  package func fileLine() -> SecretBytes {
    SecretBytes(count: 67) { line in
      line[0] = 0x30
      line[1] = 0x78
      bytes.withUnsafeBytes { bytes in
        for (index, byte) in bytes.enumerated() {
          line[2 + 2 * index] = Hex.digit(byte >> 4)
          line[3 + 2 * index] = Hex.digit(byte & 15)
        }
      }
      line[66] = 0x0a
    }
  }
}

extension SecretKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The account's address; never the key.
  public var description: String { "SecretKey(of: \(address))" }

  /// The account's address; never the key.
  public var debugDescription: String { description }

  /// A mirror without children, so that `dump` shows nothing.
  public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Why bytes are not a secret key.
///
/// No case carries the offending value: it may be a key with a slip of the pen.
public enum SecretKeyError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The count of bytes is not 32; the count that was given.
  case wrongLength(Int)
  /// The text is no hexadecimal byte string.
  case malformed(HexError)
  /// The value is 0, or the group's order or more.
  case outOfRange

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .wrongLength(let count): "a secret key has 32 bytes, not \(count)"
    case .malformed(let error): "malformed secret key: \(error)"
    case .outOfRange: "a secret key lies between 1 and the order of secp256k1"
    }
  }
}

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

  /// One line that says what is wrong.
  public var description: String { "the \(count) bytes are no point of secp256k1" }
}
