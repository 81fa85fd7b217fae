/// The encoding of contract calls, their results and their revert reasons.
///
/// Source: the contract ABI specification of Solidity. A head of 32-byte words holds values, or
/// the offsets of values without a fixed length.
public enum ABI {
  /// The first four bytes of keccak256 of a signature such as `isActive(address)`.
  public static func selector(_ signature: String) -> [UInt8] {
    Array(Keccak256.hash(signature).bytes[..<4])
  }

  /// An address, left-padded to 32 bytes.
  public static func word(_ address: Address) -> [UInt8] { address.word.bigEndianBytes }

  /// An integer, left-padded to 32 bytes.
  public static func word(_ value: Word) -> [UInt8] { value.bigEndianBytes }

  /// A truth value as 1 or 0.
  public static func word(_ value: Bool) -> [UInt8] { word(value ? 1 : .zero as Word) }

  /// The digest that names an event in the first topic of its logs.
  public static func eventTopic(_ signature: String) -> Hash32 { Keccak256.hash(signature) }

  /// A call's input: the selector, then the arguments.
  public static func call(_ signature: String, _ arguments: [ABIValue] = []) -> [UInt8] {
    selector(signature) + encode(arguments)
  }

  /// Encodes a sequence of values: arguments, or results.
  public static func encode(_ values: [ABIValue]) -> [UInt8] {
    var head: [UInt8] = []
    var tail: [UInt8] = []
    let headSize = values.reduce(0) { $0 + $1.headSize }
    for value in values {
      if value.isDynamic {
        head += word(Word(UInt64(headSize + tail.count)))
        tail += value.encoded
      } else {
        head += value.encoded
      }
    }
    return head + tail
  }

  /// The bytes that a contract reverts with when it gives a reason: `Error(string)`.
  public static func encodeError(_ reason: String) -> [UInt8] {
    call("Error(string)", [.string(reason)])
  }

  /// The reason in the bytes that a contract reverted with, or nil when they hold none.
  public static func decodeError(_ bytes: [UInt8]) -> String? {
    guard bytes.starts(with: selector("Error(string)")) else { return nil }
    // Contracts revert with whatever they like; what cannot be read is no reason.
    guard case .string(let reason)? = try? decode([.string], from: bytes.dropFirst(4)).first
    else { return nil }
    return reason
  }

  /// Decodes a sequence of values of known types.
  ///
  /// - Throws: `ABIError` when the bytes end early, an offset points outside them, or a value does
  ///   not fit its type.
  public static func decode(
    _ types: [ABIType], from bytes: some Collection<UInt8>
  ) throws(ABIError) -> [ABIValue] {
    let decoder = ABIDecoder(bytes: Array(bytes))
    return try decoder.decodeSequence(types, at: 0)
  }
}

/// A value of a contract call.
public indirect enum ABIValue: Hashable, Sendable {
  /// An unsigned integer of up to 256 bits.
  case uint(Word)
  /// An account.
  case address(Address)
  /// A truth value.
  case bool(Bool)
  /// A string of exactly 32 bytes.
  case bytes32(Hash32)
  /// Bytes of any count.
  case bytes([UInt8])
  /// A text.
  case string(String)
  /// Any count of values of one type.
  case array([ABIValue])
  /// A fixed count of values, each of its own type: a structure.
  case tuple([ABIValue])

  /// Whether the value stands behind an offset rather than in the head.
  var isDynamic: Bool {
    switch self {
    case .uint, .address, .bool, .bytes32: false
    case .bytes, .string, .array: true
    case .tuple(let values): values.contains { $0.isDynamic }
    }
  }

  /// The bytes that the value takes in the head.
  var headSize: Int {
    guard case .tuple(let values) = self, !isDynamic else { return 32 }
    return values.reduce(0) { $0 + $1.headSize }
  }

  var encoded: [UInt8] {
    switch self {
    case .uint(let value): ABI.word(value)
    case .address(let address): ABI.word(address)
    case .bool(let value): ABI.word(value)
    case .bytes32(let hash): hash.bytes
    case .bytes(let bytes): Self.padded(bytes)
    case .string(let text): Self.padded(Array(text.utf8))
    case .array(let values): ABI.word(Word(UInt64(values.count))) + ABI.encode(values)
    case .tuple(let values): ABI.encode(values)
    }
  }

  /// The count of bytes, the bytes, and zeros up to a multiple of 32.
  private static func padded(_ bytes: [UInt8]) -> [UInt8] {
    let padding = (32 - bytes.count % 32) % 32
    return ABI.word(Word(UInt64(bytes.count))) + bytes + [UInt8](repeating: 0, count: padding)
  }
}

/// The type of a value of a contract call.
public indirect enum ABIType: Hashable, Sendable {
  /// An unsigned integer of 256 bits.
  case uint
  /// An account.
  case address
  /// A truth value.
  case bool
  /// A string of exactly 32 bytes.
  case bytes32
  /// Bytes of any count.
  case bytes
  /// A text.
  case string
  /// Any count of values of one type.
  case array(of: ABIType)
  /// A fixed count of values, each of its own type: a structure.
  case tuple([ABIType])

  var isDynamic: Bool {
    switch self {
    case .uint, .address, .bool, .bytes32: false
    case .bytes, .string, .array: true
    case .tuple(let types): types.contains { $0.isDynamic }
    }
  }

  /// The bytes that a value of the type takes in the head.
  var headSize: Int {
    guard case .tuple(let types) = self, !isDynamic else { return 32 }
    return types.reduce(0) { $0 + $1.headSize }
  }
}

/// Reads the values of a contract call; offsets are relative to the enclosing sequence.
struct ABIDecoder {
  private let bytes: [UInt8]

  init(bytes: [UInt8]) { self.bytes = bytes }

  func decodeSequence(_ types: [ABIType], at start: Int) throws(ABIError) -> [ABIValue] {
    var values: [ABIValue] = []
    var head = start
    for type in types {
      let place = type.isDynamic ? start + (try size(at: head, base: start)) : head
      values.append(try decode(type, at: place))
      head += type.headSize
    }
    return values
  }

  private func decode(_ type: ABIType, at offset: Int) throws(ABIError) -> ABIValue {
    switch type {
    case .uint: return .uint(try word(at: offset))
    case .bytes32: return .bytes32(Hash32(word: try word(at: offset)))
    case .address:
      let word = try word(at: offset)
      guard word.bitCount <= 160 else { throw .valueTooLarge(offset: offset, bits: 160) }
      return .address(Address(lastBytesOf: Hash32(word: word)))
    case .bool:
      let word = try word(at: offset)
      guard word <= 1 else { throw .valueTooLarge(offset: offset, bits: 1) }
      return .bool(!word.isZero)
    case .bytes: return .bytes(try content(at: offset))
    case .string:
      guard let text = String(validating: try content(at: offset), as: UTF8.self) else {
        throw .invalidUTF8(offset: offset)
      }
      return .string(text)
    case .tuple(let types): return .tuple(try decodeSequence(types, at: offset))
    case .array(let element):
      let count = try size(at: offset, base: offset + 32)
      // An element of no size would let a short input announce any count.
      guard element.headSize > 0, count <= (bytes.count - offset - 32) / element.headSize else {
        throw .truncated(offset: offset, expected: count)
      }
      let types = [ABIType](repeating: element, count: count)
      return .array(try decodeSequence(types, at: offset + 32))
    }
  }

  private func content(at offset: Int) throws(ABIError) -> [UInt8] {
    let count = try size(at: offset, base: offset + 32)
    return Array(bytes[(offset + 32)..<(offset + 32 + count)])
  }

  /// A count or an offset, which leads to a place inside the bytes.
  private func size(at offset: Int, base: Int) throws(ABIError) -> Int {
    let word = try word(at: offset)
    guard let size = word.exactUInt64(), size <= UInt64(max(0, bytes.count - base)) else {
      throw .pointsOutside(offset: offset)
    }
    return Int(size)
  }

  private func word(at offset: Int) throws(ABIError) -> Word {
    guard offset >= 0, offset <= bytes.count - 32 else {
      throw .truncated(offset: offset, expected: 32)
    }
    return bytes[offset..<(offset + 32)].reduce(Word.zero) { $0 << 8 | $1 }
  }
}

/// Why bytes do not hold the values of a contract call.
public enum ABIError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The bytes end before the value at this offset does.
  case truncated(offset: Int, expected: Int)
  /// The count or offset that stands here leads outside the bytes.
  case pointsOutside(offset: Int)
  /// The word that stands here has more bits than its type.
  case valueTooLarge(offset: Int, bits: Int)
  /// The text that stands here is not UTF-8.
  case invalidUTF8(offset: Int)

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .truncated(let offset, let expected):
      "the ABI data ends before \(expected) items or bytes at byte \(offset)"
    case .pointsOutside(let offset): "the count or offset at byte \(offset) leads outside the data"
    case .valueTooLarge(let offset, let bits):
      "the value at byte \(offset) has more than \(bits) bits"
    case .invalidUTF8(let offset): "the text at byte \(offset) is not UTF-8"
    }
  }
}
