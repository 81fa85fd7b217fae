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
