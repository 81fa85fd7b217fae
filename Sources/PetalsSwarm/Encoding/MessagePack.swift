/// A value of the msgpack format, in the dialect that hivemind's peers exchange.
///
/// The dialect is `msgpack` of Python with `strict_types` and `use_bin_type`: bytes are `bin`, real
/// numbers have 64 bits, and a tuple is an extension of type 0x40 whose payload is a list.
package enum MessagePackValue: Hashable, Sendable {
  /// An entry of a map; maps keep their order, which decides their bytes.
  package struct Entry: Hashable, Sendable {
    /// The key.
    package let key: MessagePackValue
    /// The value.
    package let value: MessagePackValue

    /// An entry by its parts.
    package init(_ key: MessagePackValue, _ value: MessagePackValue) {
      self.key = key
      self.value = value
    }
  }

  case null
  case bool(Bool)
  case int(Int64)
  /// A whole number beyond the range of ``int(_:)``.
  case large(UInt64)
  case double(Double)
  case string(String)
  case bytes([UInt8])
  case list([MessagePackValue])
  case tuple([MessagePackValue])
  case map([Entry])
  /// An extension type that is no tuple.
  case `extension`(type: Int8, payload: [UInt8])

  /// The extension type of a tuple.
  static let tupleType: Int8 = 0x40
}

extension MessagePackValue {
  /// A map with strings for keys, in the order given.
  package static func object(_ entries: KeyValuePairs<String, MessagePackValue>) -> Self {
    .map(entries.map { Entry(.string($0.key), $0.value) })
  }

  /// The value of a map under a string; nil where there is none, and for what is no map.
  package subscript(key: String) -> MessagePackValue? {
    guard case .map(let entries) = self else { return nil }
    return entries.last { $0.key == .string(key) }?.value
  }

  /// A string; nil for any other value.
  package var text: String? { if case .string(let text) = self { text } else { nil } }

  /// A whole number that fits; nil for any other value.
  package var integer: Int? {
    if case .int(let number) = self { Int(exactly: number) } else { nil }
  }

  /// A finite number; nil for any other value.
  package var number: Double? {
    switch self {
    case .double(let number) where number.isFinite: number
    case .int(let number): Double(number)
    default: nil
    }
  }

  /// The elements of a list or a tuple; nil for any other value.
  package var elements: [MessagePackValue]? {
    switch self {
    case .list(let elements), .tuple(let elements): elements
    default: nil
    }
  }
}

// What is written.
extension MessagePackValue {
  /// The value's bytes: the shortest form of each number and length, as Python's `msgpack` writes.
  package var encoded: [UInt8] {
    var bytes: [UInt8] = []
    append(to: &bytes)
    return bytes
  }

  private func append(to bytes: inout [UInt8]) {
    switch self {
    case .null: bytes.append(0xc0)
    case .bool(let isTrue): bytes.append(isTrue ? 0xc3 : 0xc2)
    case .int(let number) where number >= 0: Self.append(UInt64(number), to: &bytes)
    case .int(let number): Self.append(negative: number, to: &bytes)
    case .large(let number): Self.append(number, to: &bytes)
    case .double(let number):
      bytes.append(0xcb)
      bytes.append(bigEndian: number.bitPattern)
    case .string(let text):
      let utf8 = Array(text.utf8)
      Self.append(length: utf8.count, short: 0xa0, below: 32, codes: (0xd9, 0xda, 0xdb), to: &bytes)
      bytes += utf8
    case .bytes(let payload):
      Self.append(length: payload.count, short: 0, below: 0, codes: (0xc4, 0xc5, 0xc6), to: &bytes)
      bytes += payload
    case .list(let elements):
      Self.append(
        length: elements.count, short: 0x90, below: 16, codes: (nil, 0xdc, 0xdd), to: &bytes)
      for element in elements { element.append(to: &bytes) }
    case .map(let entries):
      Self.append(
        length: entries.count, short: 0x80, below: 16, codes: (nil, 0xde, 0xdf), to: &bytes)
      for entry in entries {
        entry.key.append(to: &bytes)
        entry.value.append(to: &bytes)
      }
    case .tuple(let elements):
      Self.append(type: Self.tupleType, payload: Self.list(elements).encoded, to: &bytes)
    case .extension(let type, let payload):
      Self.append(type: type, payload: payload, to: &bytes)
    }
  }

  private static func append(_ number: UInt64, to bytes: inout [UInt8]) {
    if number < 0x80 {
      bytes.append(UInt8(number))
    } else if let small = UInt8(exactly: number) {
      bytes += [0xcc, small]
    } else if let small = UInt16(exactly: number) {
      bytes.append(0xcd)
      bytes.append(bigEndian: small)
    } else if let small = UInt32(exactly: number) {
      bytes.append(0xce)
      bytes.append(bigEndian: small)
    } else {
      bytes.append(0xcf)
      bytes.append(bigEndian: number)
    }
  }

  private static func append(negative number: Int64, to bytes: inout [UInt8]) {
    if number >= -32 {
      bytes.append(UInt8(bitPattern: Int8(number)))
    } else if let small = Int8(exactly: number) {
      bytes += [0xd0, UInt8(bitPattern: small)]
    } else if let small = Int16(exactly: number) {
      bytes.append(0xd1)
      bytes.append(bigEndian: small)
    } else if let small = Int32(exactly: number) {
      bytes.append(0xd2)
      bytes.append(bigEndian: small)
    } else {
      bytes.append(0xd3)
      bytes.append(bigEndian: number)
    }
  }

  private static func append(
    length: Int, short: UInt8, below limit: Int, codes: (UInt8?, UInt8, UInt8),
    to bytes: inout [UInt8]
  ) {
    if length < limit {
      bytes.append(short | UInt8(length))
    } else if let code = codes.0, let small = UInt8(exactly: length) {
      bytes += [code, small]
    } else if let small = UInt16(exactly: length) {
      bytes.append(codes.1)
      bytes.append(bigEndian: small)
    } else {
      bytes.append(codes.2)
      bytes.append(bigEndian: UInt32(length))
    }
  }

  private static func append(type: Int8, payload: [UInt8], to bytes: inout [UInt8]) {
    let fixed: [Int: UInt8] = [1: 0xd4, 2: 0xd5, 4: 0xd6, 8: 0xd7, 16: 0xd8]
    if let code = fixed[payload.count] {
      bytes.append(code)
    } else {
      append(length: payload.count, short: 0, below: 0, codes: (0xc7, 0xc8, 0xc9), to: &bytes)
    }
    bytes.append(UInt8(bitPattern: type))
    bytes += payload
  }
}

extension [UInt8] {
  /// Adds a number's bytes, the most significant one first.
  mutating func append(bigEndian number: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: number.bigEndian) { append(contentsOf: $0) }
  }
}
