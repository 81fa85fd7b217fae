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
