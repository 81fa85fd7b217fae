/// Appends RLP (yellow paper, appendix B) straight to bytes.
///
/// A trie node embeds the encodings of its children as they stand, and a block is hashed for every
/// transaction, so the tree of items that a decoder yields is left out here.
package struct RLPWriter {
  package private(set) var bytes: [UInt8] = []

  package init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

  /// Appends a byte string.
  package mutating func append(_ string: some Collection<UInt8>) {
    if string.count == 1, let byte = string.first, byte < 0x80 {
      bytes.append(byte)
    } else {
      appendHeader(count: string.count, base: 0x80)
      bytes.append(contentsOf: string)
    }
  }

  /// Appends an integer: big-endian, no leading zeros, zero is the empty string.
  package mutating func append(_ value: UInt64) {
    if value == 0 { return bytes.append(0x80) }
    let skipped = value.leadingZeroBitCount / 8
    withUnsafeBytes(of: value.bigEndian) { append($0[skipped...]) }
  }

  /// Appends bytes that are RLP already.
  package mutating func append(encoded: some Sequence<UInt8>) {
    bytes.append(contentsOf: encoded)
  }

  /// The written items as one list.
  package consuming func list() -> [UInt8] {
    var writer = RLPWriter(capacity: bytes.count + 9)
    writer.appendHeader(count: bytes.count, base: 0xc0)
    writer.bytes.append(contentsOf: bytes)
    return writer.bytes
  }

  private mutating func appendHeader(count: Int, base: UInt8) {
    if count < 56 { return bytes.append(base + UInt8(count)) }
    let length = UInt64(count)
    let skipped = length.leadingZeroBitCount / 8
    bytes.append(base + 55 + UInt8(8 - skipped))
    withUnsafeBytes(of: length.bigEndian) { bytes.append(contentsOf: $0[skipped...]) }
  }
}
