/// A libp2p peer's identity: the multihash of its public key, or the key itself where it is short.
///
/// Source: libp2p's specification, "Peer Ids and Keys".
public struct PeerID: Hashable, Sendable, CustomStringConvertible {
  /// The multihash.
  public let bytes: [UInt8]

  /// An identity by its bytes, which are not checked.
  public init(bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

  /// Reads the text form (base58): `12D3KooW…`.
  ///
  /// - Throws: ``PeerIDError``.
  public init(parsing text: some StringProtocol) throws(PeerIDError) {
    guard let bytes = Base58.decode(text), (2...64).contains(bytes.count),
      Int(bytes[1]) == bytes.count - 2
    else { throw PeerIDError(text: String(text)) }
    self.init(bytes: bytes)
  }

  /// The identity of an Ed25519 public key of 32 bytes.
  package init(ed25519 publicKey: some Collection<UInt8>) {
    // The key's protobuf message (type Ed25519, 32 bytes of data), behind the identity multihash.
    self.init(bytes: [0x00, 0x24, 0x08, 0x01, 0x12, 0x20] + Array(publicKey))
  }

  /// The text form.
  public var description: String { Base58.encode(bytes) }
}

/// Text that names no peer.
public struct PeerIDError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was given.
  public let text: String

  /// One line that says what is expected.
  public var description: String {
    "\"\(text)\" is no peer's identity: write base58 text such as 12D3KooW…"
  }
}

/// Bitcoin's base 58, which leaves out 0, O, I and l.
enum Base58 {
  private static let alphabet = Array(
    "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".utf8)
  /// The longest text that is read; the work grows with its square.
  private static let longest = 128

  static func encode(_ bytes: [UInt8]) -> String {
    var digits: [UInt8] = []
    for byte in bytes {
      var carry = Int(byte)
      for index in digits.indices {
        carry += Int(digits[index]) << 8
        digits[index] = UInt8(carry % 58)
        carry /= 58
      }
      while carry > 0 {
        digits.append(UInt8(carry % 58))
        carry /= 58
      }
    }
    let zeros = bytes.prefix { $0 == 0 }.count
    let text =
      Array(repeating: alphabet[0], count: zeros) + digits.reversed().map { alphabet[Int($0)] }
    return String(decoding: text, as: UTF8.self)
  }

  static func decode(_ text: some StringProtocol) -> [UInt8]? {
    guard text.utf8.count <= longest else { return nil }
    var bytes: [UInt8] = []
    for character in text.utf8 {
      guard var carry = alphabet.firstIndex(of: character) else { return nil }
      for index in bytes.indices {
        carry += Int(bytes[index]) * 58
        bytes[index] = UInt8(carry & 0xff)
        carry >>= 8
      }
      while carry > 0 {
        bytes.append(UInt8(carry & 0xff))
        carry >>= 8
      }
    }
    let zeros = text.utf8.prefix { $0 == alphabet[0] }.count
    return Array(repeating: 0, count: zeros) + bytes.reversed()
  }
}
