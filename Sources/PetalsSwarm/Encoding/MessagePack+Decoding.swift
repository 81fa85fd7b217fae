extension MessagePackValue {
  /// The deepest nesting that is read.
  static let greatestDepth = 32

  /// Reads one value, which must be all of `bytes`.
  ///
  /// Nothing is allocated for lengths that the bytes do not have.
  /// - Throws: ``MessagePackError``.
  package init(decoding bytes: some Collection<UInt8>) throws(MessagePackError) {
    var reader = MessagePackReader(Array(bytes))
    self = try reader.value(depth: 0)
    if reader.remaining > 0 {
      throw MessagePackError(.trailingBytes(reader.remaining), at: reader.position)
    }
  }
}

/// Why bytes are no msgpack value.
package struct MessagePackError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What is wrong.
  package enum Reason: Hashable, Sendable {
    /// The value is longer than the bytes.
    case truncated
    /// A byte that begins no value.
    case unknownType(UInt8)
    /// A string that is no UTF-8.
    case invalidText
    /// Values within values, too many times.
    case tooDeep
    /// Bytes behind the value.
    case trailingBytes(Int)
    /// A tuple whose payload is no list.
    case invalidTuple
  }

  /// What is wrong.
  package let reason: Reason
  /// The number of bytes before it.
  package let position: Int

  init(_ reason: Reason, at position: Int) {
    self.reason = reason
    self.position = position
  }

  /// One line that says what is wrong.
  package var description: String {
    let text =
      switch reason {
      case .truncated: "the value is longer than the bytes"
      case .unknownType(let byte): "the byte \(byte) begins no value"
      case .invalidText: "a string is no UTF-8"
      case .tooDeep: "values are nested more than \(MessagePackValue.greatestDepth) times"
      case .trailingBytes(let count): "\(count) bytes follow the value"
      case .invalidTuple: "a tuple's payload is no list"
      }
    return "msgpack, byte \(position): \(text)"
  }
}

private struct MessagePackReader {
  private let bytes: [UInt8]
  private(set) var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var remaining: Int { bytes.count - position }

  mutating func value(depth: Int) throws(MessagePackError) -> MessagePackValue {
    guard depth <= MessagePackValue.greatestDepth else {
      throw MessagePackError(.tooDeep, at: position)
    }
    let code = try number(UInt8.self)
    switch code {
    case 0x00...0x7f: return .int(Int64(code))
    case 0x80...0x8f: return try map(Int(code & 0x0f), depth)
    case 0x90...0x9f: return .list(try list(Int(code & 0x0f), depth))
    case 0xa0...0xbf: return try text(Int(code & 0x1f))
    case 0xc0: return .null
    case 0xc2: return .bool(false)
    case 0xc3: return .bool(true)
    case 0xc4: return .bytes(try take(Int(try number(UInt8.self))))
    case 0xc5: return .bytes(try take(Int(try number(UInt16.self))))
    case 0xc6: return .bytes(try take(Int(try number(UInt32.self))))
    case 0xc7: return try ext(Int(try number(UInt8.self)), depth)
    case 0xc8: return try ext(Int(try number(UInt16.self)), depth)
    case 0xc9: return try ext(Int(try number(UInt32.self)), depth)
    case 0xca: return .double(Double(Float(bitPattern: try number(UInt32.self))))
    case 0xcb: return .double(Double(bitPattern: try number(UInt64.self)))
    case 0xcc: return .int(Int64(try number(UInt8.self)))
    case 0xcd: return .int(Int64(try number(UInt16.self)))
    case 0xce: return .int(Int64(try number(UInt32.self)))
    case 0xcf:
      let number = try number(UInt64.self)
      return Int64(exactly: number).map { .int($0) } ?? .large(number)
    case 0xd0: return .int(Int64(try number(Int8.self)))
    case 0xd1: return .int(Int64(try number(Int16.self)))
    case 0xd2: return .int(Int64(try number(Int32.self)))
    case 0xd3: return .int(try number(Int64.self))
    case 0xd4...0xd8: return try ext(1 << Int(code - 0xd4), depth)
    case 0xd9: return try text(Int(try number(UInt8.self)))
    case 0xda: return try text(Int(try number(UInt16.self)))
    case 0xdb: return try text(Int(try number(UInt32.self)))
    case 0xdc: return .list(try list(Int(try number(UInt16.self)), depth))
    case 0xdd: return .list(try list(Int(try number(UInt32.self)), depth))
    case 0xde: return try map(Int(try number(UInt16.self)), depth)
    case 0xdf: return try map(Int(try number(UInt32.self)), depth)
    case 0xe0...0xff: return .int(Int64(Int8(bitPattern: code)))
    default: throw MessagePackError(.unknownType(code), at: position - 1)
    }
  }

  private mutating func take(_ count: Int) throws(MessagePackError) -> [UInt8] {
    guard count <= remaining else { throw MessagePackError(.truncated, at: position) }
    defer { position += count }
    return Array(bytes[position..<position + count])
  }

  private mutating func number<N: FixedWidthInteger>(_: N.Type) throws(MessagePackError) -> N {
    let size = N.bitWidth / 8
    guard size <= remaining else { throw MessagePackError(.truncated, at: position) }
    defer { position += size }
    return bytes[position..<position + size].reduce(0) { ($0 << 8) | N(truncatingIfNeeded: $1) }
  }

  private mutating func text(_ count: Int) throws(MessagePackError) -> MessagePackValue {
    let start = position
    let utf8 = try take(count)
    guard let text = String(validating: utf8, as: UTF8.self) else {
      throw MessagePackError(.invalidText, at: start)
    }
    return .string(text)
  }

  private mutating func list(
    _ count: Int, _ depth: Int
  ) throws(MessagePackError) -> [MessagePackValue] {
    // Each element has a byte at least.
    guard count <= remaining else { throw MessagePackError(.truncated, at: position) }
    var elements: [MessagePackValue] = []
    for _ in 0..<count { elements.append(try value(depth: depth + 1)) }
    return elements
  }

  private mutating func map(_ count: Int, _ depth: Int) throws(MessagePackError) -> MessagePackValue
  {
    guard count <= remaining / 2 else { throw MessagePackError(.truncated, at: position) }
    var entries: [MessagePackValue.Entry] = []
    for _ in 0..<count {
      let key = try value(depth: depth + 1)
      entries.append(MessagePackValue.Entry(key, try value(depth: depth + 1)))
    }
    return .map(entries)
  }

  private mutating func ext(_ count: Int, _ depth: Int) throws(MessagePackError) -> MessagePackValue
  {
    let type = try number(Int8.self)
    let start = position
    let payload = try take(count)
    guard type == MessagePackValue.tupleType else {
      return .extension(type: type, payload: payload)
    }
    var inner = MessagePackReader(payload)
    guard case .list(let elements) = try inner.value(depth: depth + 1), inner.remaining == 0 else {
      throw MessagePackError(.invalidTuple, at: start)
    }
    return .tuple(elements)
  }
}
