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

  /// What is wrong, in one line.
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
