/// Recursive-length prefix: the encoding of Ethereum's transactions, headers and receipts.
///
/// Source: the Yellow Paper, appendix B.
public enum RLP {
  /// An item: a byte string, or a list of items.
  public indirect enum Item: Hashable, Sendable {
    /// A byte string.
    case bytes([UInt8])
    /// A list, whose items may be lists again.
    case list([Item])

    /// An integer, as its bytes without leading zeros; 0 is the empty string.
    public static func integer(_ value: some FixedWidthInteger & UnsignedInteger) -> Item {
      .bytes(Array(value.bigEndianByteArray.drop { $0 == 0 }))
    }

    /// A word, as its bytes without leading zeros; 0 is the empty string.
    public static func integer(_ value: Word) -> Item { .bytes(value.minimalBigEndianBytes) }

    /// The 20 bytes of an address.
    public static func address(_ address: Address) -> Item { .bytes(address.bytes) }

    /// The 32 bytes of a hash.
    public static func hash(_ hash: Hash32) -> Item { .bytes(hash.bytes) }
  }

  /// How deep lists may nest: far deeper than anything of Ethereum's, and shallow enough for the
  /// stack of a small thread.
  public static let depthLimit = 64

  /// Encodes an item.
  public static func encode(_ item: Item) -> [UInt8] {
    var output: [UInt8] = []
    append(item, to: &output)
    return output
  }

  /// Decodes the one item that the bytes hold.
  ///
  /// - Throws: `RLPError` unless the bytes are exactly what `encode` would give for the item.
  public static func decode(_ bytes: some Collection<UInt8>) throws(RLPError) -> Item {
    var decoder = RLPDecoder(bytes: Array(bytes))
    return try decoder.decodeWhole()
  }

  private static func append(_ item: Item, to output: inout [UInt8]) {
    switch item {
    case .bytes(let bytes):
      if bytes.count != 1 || bytes[0] >= 0x80 {
        appendPrefix(0x80, length: bytes.count, to: &output)
      }
      output.append(contentsOf: bytes)
    case .list(let items):
      var payload: [UInt8] = []
      for item in items { append(item, to: &payload) }
      appendPrefix(0xc0, length: payload.count, to: &output)
      output.append(contentsOf: payload)
    }
  }

  private static func appendPrefix(_ base: UInt8, length: Int, to output: inout [UInt8]) {
    guard length > 55 else { return output.append(base + UInt8(length)) }
    let size = Word(UInt64(length)).minimalBigEndianBytes
    output.append(base + 55 + UInt8(size.count))
    output.append(contentsOf: size)
  }
}

/// Appends RLP (yellow paper, appendix B) straight to bytes.
///
/// A trie node embeds the encodings of its children as they stand, and a block is hashed for every
/// transaction, so the tree of items that a decoder yields is left out here.
package struct RLPWriter {
  /// Room in front for the longest header of a list, so that becoming one moves nothing.
  private static let room = 9

  private var storage: [UInt8]

  /// What was written.
  package var bytes: [UInt8] { Array(storage[Self.room...]) }

  package init(capacity: Int = 0) {
    storage = []
    storage.reserveCapacity(capacity + Self.room)
    storage.append(contentsOf: repeatElement(0, count: Self.room))
  }

  /// Appends a byte string.
  package mutating func append(_ string: [UInt8]) { append(string[...]) }

  /// Appends a byte string.
  package mutating func append(_ string: ArraySlice<UInt8>) {
    if string.count == 1, let byte = string.first, byte < 0x80 {
      storage.append(byte)
    } else {
      appendHeader(count: string.count, base: 0x80)
      storage.append(contentsOf: string)
    }
  }

  /// Appends an integer: big-endian, no leading zeros, zero is the empty string.
  package mutating func append(_ value: UInt64) {
    if value < 0x80 { return storage.append(value == 0 ? 0x80 : UInt8(value)) }
    let count = 8 - value.leadingZeroBitCount / 8
    storage.append(0x80 + UInt8(count))
    appendBytes(of: value, count: count)
  }

  /// Appends an integer of up to 256 bits.
  package mutating func append(_ value: Word) {
    if let small = value.exactUInt64() { return append(small) }
    let count = value.byteCount
    storage.append(0x80 + UInt8(count))
    value.appendBytes(to: &storage, count: count)
  }

  /// Appends the 32 bytes of a hash.
  package mutating func append(_ hash: Hash32) {
    storage.append(0xa0)
    hash.word.appendBytes(to: &storage, count: 32)
  }

  /// Appends the 20 bytes of an address.
  package mutating func append(_ address: Address) {
    storage.append(0x94)
    address.word.appendBytes(to: &storage, count: 20)
  }

  /// Appends bytes that are RLP already.
  package mutating func append(encoded: [UInt8]) { storage.append(contentsOf: encoded) }

  /// The written items as one list.
  package consuming func list() -> [UInt8] {
    let start = beginList()
    return Array(storage[start...])
  }

  /// keccak256 of the written items as one list.
  package consuming func listHash() -> Hash32 {
    let start = beginList()
    return Keccak256.hash(storage[start...])
  }

  /// How long the written items are as one list, in bytes.
  package var listCount: Int { RLPLength.ofList(payload: storage.count - Self.room) }

  /// Writes the list's header in front of the items.
  /// - Returns: where it begins.
  private mutating func beginList() -> Int {
    let count = storage.count - Self.room
    if count < 56 {
      storage[Self.room - 1] = 0xc0 + UInt8(count)
      return Self.room - 1
    }
    var (rest, start) = (count, Self.room)
    while rest > 0 {
      start -= 1
      storage[start] = UInt8(truncatingIfNeeded: rest)
      rest >>= 8
    }
    storage[start - 1] = 0xf7 + UInt8(Self.room - start)
    return start - 1
  }

  private mutating func appendHeader(count: Int, base: UInt8) {
    if count < 56 { return storage.append(base + UInt8(count)) }
    let length = UInt64(count)
    let bytes = 8 - length.leadingZeroBitCount / 8
    storage.append(base + 55 + UInt8(bytes))
    appendBytes(of: length, count: bytes)
  }

  /// The lowest bytes of an integer, the highest of them first.
  private mutating func appendBytes(of value: UInt64, count: Int) {
    withUnsafeBytes(of: value.bigEndian) {
      storage.append(contentsOf: UnsafeRawBufferPointer(rebasing: $0[(8 - count)...]))
    }
  }
}

/// How long things are in RLP, without writing them.
package enum RLPLength {
  /// A byte string of several bytes, or of one that needs a header.
  package static func ofString(_ string: [UInt8]) -> Int {
    string.count == 1 && string[0] < 0x80 ? 1 : ofList(payload: string.count)
  }

  /// A list whose items take so many bytes.
  package static func ofList(payload: Int) -> Int {
    if payload < 56 { return 1 + payload }
    return 1 + (8 - UInt64(payload).leadingZeroBitCount / 8) + payload
  }
}

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
  /// One line that says what is wrong.
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
