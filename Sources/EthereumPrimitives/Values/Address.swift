/// The 20-byte address of an Ethereum account.
public struct Address: Hashable, Sendable {
  // Kept inline rather than as an array: addresses are dictionary keys all over the chain.
  // The limbs have 64 bits for the reason that Word gives.
  private let high: UInt32
  private let middle: UInt64
  private let tail: UInt64

  private var low: UInt128 { UInt128(middle) << 64 | UInt128(tail) }

  /// An address of exactly 20 bytes.
  ///
  /// - Throws: `AddressError.wrongLength` for any other count.
  public init(bytes: some Collection<UInt8>) throws(AddressError) {
    guard bytes.count == 20, let word = try? Word(bigEndian: bytes) else {
      // A word refuses only more than 32 bytes, so the count is the one reason to get here.
      throw .wrongLength(bytes.count)
    }
    self.init(high: UInt32(truncatingIfNeeded: word.high), low: word.low)
  }

  private init(high: UInt32, low: UInt128) {
    self.high = high
    middle = UInt64(truncatingIfNeeded: low >> 64)
    tail = UInt64(truncatingIfNeeded: low)
  }

  /// The low 160 bits of a digest, which is how public keys become addresses.
  init(lastBytesOf hash: Hash32) {
    self.init(high: UInt32(truncatingIfNeeded: hash.word.high), low: hash.word.low)
  }

  /// The address in the low 160 bits of a word, whatever is above them.
  package init(truncating word: Word) {
    high = UInt32(truncatingIfNeeded: word.limb2)
    middle = word.limb1
    tail = word.limb0
  }

  /// The 20 bytes in order.
  public var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(20)
    word.appendBytes(to: &bytes, count: 20)
    return bytes
  }

  /// The address whose bytes are all zero.
  public static let zero = Address(high: 0, low: 0)

  /// The address of a precompiled contract: zeros, then the number.
  public static func precompile(_ number: UInt8) -> Address {
    Address(high: 0, low: UInt128(number))
  }

  /// The address as the low 160 bits of a word.
  public var word: Word { Word(high: UInt128(high), low: low) }
}

extension Address: Comparable {
  /// Compares the values as integers.
  public static func < (left: Address, right: Address) -> Bool { left.word < right.word }
}

/// Why something is not an address.
public enum AddressError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The count of bytes is not 20; the count that was given.
  case wrongLength(Int)
  /// The text is no hexadecimal byte string.
  case malformed(HexError)
  /// The letters' case contradicts the checksum of EIP-55.
  case wrongChecksum(expected: String, actual: String)

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .wrongLength(let count): "an address has 20 bytes, not \(count)"
    case .malformed(let error): "malformed address: \(error)"
    case .wrongChecksum(let expected, let actual):
      "the address \(actual) has a wrong checksum; it should read \(expected)"
    }
  }
}

extension Address: CustomStringConvertible {
  /// Reads `0x` and 40 digits of any case, without looking at a checksum.
  ///
  /// - Throws: `AddressError` when the text has another form.
  public init(_ text: some StringProtocol) throws(AddressError) {
    let bytes: [UInt8]
    do { bytes = try Hex.decode(text) } catch { throw .malformed(error) }
    try self.init(bytes: bytes)
  }

  /// Reads `0x` and 40 digits whose case must spell the checksum of EIP-55.
  ///
  /// - Throws: `AddressError.wrongChecksum` with the right spelling, or why the text is no address.
  public init(checksummed text: some StringProtocol) throws(AddressError) {
    try self.init(text)
    guard checksummed == text else {
      throw .wrongChecksum(expected: checksummed, actual: String(text))
    }
  }

  /// The address as `0x` and 40 lowercase digits, as JSON-RPC prints it.
  public var lowercaseHex: String { Hex.encode(bytes) }

  /// The address with the checksum of EIP-55 in the case of its letters.
  ///
  /// A letter is upper case when the digit at its place in keccak256 of the lowercase digits is
  /// 8 or more.
  public var checksummed: String {
    var text = Array(Hex.digits(bytes).utf8)
    let digest = Keccak256.hash(text).bytes
    for index in text.indices where text[index] >= 0x61 {
      let digit = index.isMultiple(of: 2) ? digest[index / 2] >> 4 : digest[index / 2] & 15
      if digit >= 8 { text[index] -= 0x20 }
    }
    return "0x" + String(decoding: text, as: UTF8.self)
  }

  /// The checksummed form.
  public var description: String { checksummed }
}
