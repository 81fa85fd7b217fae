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

extension Word {
  /// The word of 32 bytes in memory, the most significant first.
  @inlinable
  package static func load(_ bytes: UnsafeRawPointer) -> Word {
    Word(
      UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
      UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
      UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
      UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self)))
  }

  /// Writes all 32 bytes to memory, the most significant first.
  @inlinable
  package func store(_ bytes: UnsafeMutableRawPointer) {
    bytes.storeBytes(of: limb3.bigEndian, toByteOffset: 0, as: UInt64.self)
    bytes.storeBytes(of: limb2.bigEndian, toByteOffset: 8, as: UInt64.self)
    bytes.storeBytes(of: limb1.bigEndian, toByteOffset: 16, as: UInt64.self)
    bytes.storeBytes(of: limb0.bigEndian, toByteOffset: 24, as: UInt64.self)
  }
}
