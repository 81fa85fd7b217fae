/// The printable character that byte-level BPE writes for each byte, and back.
///
/// Printable Latin-1 bytes stand for themselves; the others, in order, for U+0100 and up (Radford et
/// al., GPT-2).
enum ByteAlphabet {
  static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (0...255).map { byte -> Unicode.Scalar in
      let scalar = Unicode.Scalar(UInt8(byte))
      if isPrintable(UInt32(byte)) { return scalar }
      defer { next += 1 }
      return Unicode.Scalar(next) ?? scalar
    }
  }()

  /// The UTF-8 of each byte's character.
  static let spellings: [[UInt8]] = scalars.map { Array(String($0).utf8) }

  /// The byte for each scalar below 0x144, where there is one.
  private static let bytes: [UInt8?] = {
    var bytes = [UInt8?](repeating: nil, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = UInt8(byte) }
    return bytes
  }()

  /// What a token's spelling stands for: its characters' bytes when each of them stands for one,
  /// else its own UTF-8 (as the `ByteLevel` decoder of tokenizers has it).
  static func decoded(_ spelling: ArraySlice<UInt8>) -> [UInt8] {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(spelling.count)
    var high: UInt32?
    for unit in spelling {
      let value: UInt32
      if let first = high {
        value = (first & 0x1F) << 6 | UInt32(unit & 0x3F)
        high = nil
      } else if unit < 0x80 {
        value = UInt32(unit)
      } else if unit & 0xE0 == 0xC0 {
        high = UInt32(unit)
        continue
      } else {
        value = UInt32.max
      }
      guard value < bytes.count, let byte = bytes[Int(value)] else { return Array(spelling) }
      decoded.append(byte)
    }
    return decoded
  }

  private static func isPrintable(_ byte: UInt32) -> Bool {
    (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte)
  }
}
