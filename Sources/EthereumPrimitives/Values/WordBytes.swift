extension Word {
  /// Appends the lowest bytes, the most significant of them first, without an array in between.
  /// - Parameter count: how many bytes, 0 to 32.
  package func appendBytes(to bytes: inout [UInt8], count: Int) {
    precondition((0...32).contains(count), "a word has 32 bytes, not \(count)")
    let limbs = (
      limb3.bigEndian, limb2.bigEndian, limb1.bigEndian, limb0.bigEndian
    )
    withUnsafeBytes(of: limbs) {
      bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: $0[(32 - count)...]))
    }
  }

  /// How many bytes the value takes without leading zeros; none for 0.
  package var byteCount: Int { (bitCount + 7) / 8 }

  /// The half-byte at a place, counted from the lowest one.
  package func halfByte(_ place: Int) -> Int {
    let limb =
      switch place >> 4 {
      case 0: limb0
      case 1: limb1
      case 2: limb2
      default: limb3
      }
    return Int(truncatingIfNeeded: limb >> UInt64((place & 15) * 4)) & 15
  }

  /// A word of at most 32 bytes in a buffer, the most significant first.
  init(bigEndianBuffer bytes: UnsafeRawBufferPointer) {
    var limbs: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    withUnsafeMutableBytes(of: &limbs) {
      let target = UnsafeMutableRawBufferPointer(rebasing: $0[(32 - bytes.count)...])
      target.copyMemory(from: bytes)
    }
    self.init(
      high: UInt128(UInt64(bigEndian: limbs.0)) << 64 | UInt128(UInt64(bigEndian: limbs.1)),
      low: UInt128(UInt64(bigEndian: limbs.2)) << 64 | UInt128(UInt64(bigEndian: limbs.3)))
  }
}
