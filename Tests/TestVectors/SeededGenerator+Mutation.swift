package import AsyncPrimitives

extension SeededGenerator {
  /// Bytes with one to four slips: changed, removed, added or cut, or 32 of them made extreme.
  package mutating func mutation(of bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...4, using: &self) {
      switch Int.random(in: 0...4, using: &self) {
      case 0 where !bytes.isEmpty:
        let telling: [UInt8] = [0x00, 0x01, 0x20, 0x22, 0x5c, 0x7f, 0x80, 0xb8, 0xbf, 0xc0, 0xf8]
        let place = Int.random(in: 0..<bytes.count, using: &self)
        bytes[place] = telling.randomElement(using: &self) ?? 0xff
      case 1 where !bytes.isEmpty:
        bytes.remove(at: Int.random(in: 0..<bytes.count, using: &self))
      case 2:
        let byte = UInt8.random(in: 0...255, using: &self)
        bytes.insert(byte, at: Int.random(in: 0...bytes.count, using: &self))
      case 3 where bytes.count >= 32:
        let start = Int.random(in: 0...(bytes.count - 32), using: &self)
        let extreme: UInt8 = Bool.random(using: &self) ? 0x00 : 0xff
        bytes.replaceSubrange(start..<(start + 32), with: repeatElement(extreme, count: 32))
      default:
        bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &self)))
      }
    }
    return bytes
  }
}
