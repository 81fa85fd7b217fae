/// Recursive-length prefix: the encoding of Ethereum's transactions, headers and receipts.
///
/// Source: the Yellow Paper, appendix B.
public enum RLP {
  /// What the encoding holds: a byte string, or a list of items.
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
