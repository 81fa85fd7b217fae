/// An HTTP/1.1 answer with a length, as far as a load has to know it.
///
/// A client that shares its cores with the service must not cost what the service does, so the bytes
/// are looked at in place.
package struct HTTPAnswer {
  private static let field = Array("content-length:".utf8)
  /// Bytes; the services that are measured answer with a few hundred.
  private static let longestBody = 16 << 20
  private static let statusOffset = 9

  package let status: Int
  package let body: [UInt8]

  /// Reads an answer; nil when it is not there as a whole.
  /// - Throws: `CommandFailure` (failed) for one that says that it is longer than any can be.
  package init?(_ bytes: UnsafeRawBufferPointer) throws {
    var line = 0
    var length: Int?
    for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") {
      if index - line <= 1 {
        guard let length else { return nil }
        guard length <= Self.longestBody else {
          throw CommandFailure.failed(
            "an answer's Content-Length is a whole number from 0 to \(Self.longestBody)")
        }
        guard bytes.count - index - 1 >= length else { return nil }
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

  /// The decimal number that stands first, after spaces; one that is longer than any answer is
  /// the greatest there is.
  private static func number(_ bytes: Slice<UnsafeRawBufferPointer>) -> Int {
    var number = 0
    let digits = bytes.drop { $0 == UInt8(ascii: " ") }
      .prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    for digit in digits {
      let (tens, isTooLong) = number.multipliedReportingOverflow(by: 10)
      let (sum, isTooGreat) = tens.addingReportingOverflow(Int(digit - UInt8(ascii: "0")))
      if isTooLong || isTooGreat { return .max }
      number = sum
    }
    return number
  }
}
