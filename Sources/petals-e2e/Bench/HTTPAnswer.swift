/// An HTTP/1.1 answer with a length, as far as a load has to know it.
///
/// A client that shares its cores with the service must not cost what the service does, so the bytes
/// are looked at in place.
struct HTTPAnswer {
  private static let field = Array("content-length:".utf8)
  private static let statusOffset = 9

  let status: Int
  let body: [UInt8]

  /// Reads an answer; nil when it is not there as a whole.
  init?(_ bytes: UnsafeRawBufferPointer) {
    var line = 0
    var length: Int?
    for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") {
      if index - line <= 1 {
        guard let length, bytes.count >= index + 1 + length else { return nil }
        status = Self.number(bytes.dropFirst(Self.statusOffset))
        body = Array(bytes[(index + 1)..<(index + 1 + length)])
        return
      }
      let text = bytes[line..<index]
      // Letters of both cases are equal in the low five bits.
      if text.count > Self.field.count, zip(text, Self.field).allSatisfy({ $0 | 0x20 == $1 | 0x20 })
      {
        length = Self.number(text.dropFirst(Self.field.count))
      }
      line = index + 1
    }
    return nil
  }

  /// The decimal number that stands first, after spaces.
  private static func number(_ bytes: Slice<UnsafeRawBufferPointer>) -> Int {
    bytes.drop { $0 == UInt8(ascii: " ") }
      .prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      .reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
  }
}
