/// Reads one RLP item from front to back, refusing every form but the shortest.
struct RLPDecoder {
  private let bytes: [UInt8]
  private var position = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func decodeWhole() throws(RLPError) -> RLP.Item {
    let item = try decodeItem(before: bytes.count, depth: 0)
    guard position == bytes.count else {
      throw .trailingBytes(offset: position, count: bytes.count - position)
    }
    return item
  }

  private mutating func decodeItem(before end: Int, depth: Int) throws(RLPError) -> RLP.Item {
    guard depth <= RLP.depthLimit else { throw .tooDeep(limit: RLP.depthLimit) }
    guard position < end else { throw .truncated(offset: position, missing: 1) }
    let start = position
    let prefix = bytes[position]
    position += 1
    switch prefix {
    case ..<0x80:
      return .bytes([prefix])
    case ..<0xc0:
      let length = try decodeLength(prefix, base: 0x80, before: end)
      let content = Array(bytes[position..<(position + length)])
      guard length != 1 || content[0] >= 0x80 else { throw .needlessPrefix(offset: start) }
      position += length
      return .bytes(content)
    default:
      let length = try decodeLength(prefix, base: 0xc0, before: end)
      let listEnd = position + length
      var items: [RLP.Item] = []
      while position < listEnd {
        items.append(try decodeItem(before: listEnd, depth: depth + 1))
      }
      return .list(items)
    }
  }

  /// The length that a prefix announces, checked to fit what is left of the enclosing item.
  private mutating func decodeLength(
    _ prefix: UInt8, base: UInt8, before end: Int
  ) throws(RLPError) -> Int {
    let short = Int(prefix - base)
    if short <= 55 {
      guard short <= end - position else {
        throw .truncated(offset: position, missing: short - (end - position))
      }
      return short
    }
    let offset = position
    let size = short - 55
    guard size <= end - position else {
      throw .truncated(offset: position, missing: size - (end - position))
    }
    guard bytes[position] != 0 else { throw .lengthHasLeadingZero(offset: offset) }
    // At most 8 bytes; one that does not fit an Int is longer than any input.
    var length: UInt64 = 0
    for byte in bytes[position..<(position + size)] { length = length << 8 | UInt64(byte) }
    position += size
    guard length > 55 else { throw .needlessLongLength(offset: offset) }
    let available = UInt64(end - position)
    guard length <= available else {
      let missing = length - available
      throw .truncated(offset: position, missing: Int(clamping: missing))
    }
    return Int(length)
  }
}

/// Why bytes are not the RLP encoding of one item.
public enum RLPError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The input, or the enclosing list, ends before the item does.
  case truncated(offset: Int, missing: Int)
  /// Bytes follow the item.
  case trailingBytes(offset: Int, count: Int)
  /// A single byte below 0x80 stands behind a prefix that it does not need.
  case needlessPrefix(offset: Int)
  /// A length of 55 or less is written in the long form.
  case needlessLongLength(offset: Int)
  /// A length in the long form begins with a zero byte.
  case lengthHasLeadingZero(offset: Int)
  /// Lists nest deeper than the limit.
  case tooDeep(limit: Int)

  // go-ethereum's words first, for they reach users through JSON-RPC; then what helps to find it.
  /// What is wrong, in one line.
  public var description: String {
    switch self {
    case .truncated(let offset, let missing):
      "rlp: value size exceeds available input length (\(missing) bytes missing at byte \(offset))"
    case .trailingBytes(let offset, let count):
      "rlp: input contains more than one value (\(count) bytes follow byte \(offset))"
    case .needlessPrefix(let offset), .needlessLongLength(let offset),
      .lengthHasLeadingZero(let offset):
      "rlp: non-canonical size information at byte \(offset)"
    case .tooDeep(let limit): "rlp: lists nest deeper than \(limit)"
    }
  }
}
