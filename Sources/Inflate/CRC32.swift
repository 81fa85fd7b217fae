import CZlib

/// The checksum of ZIP and gzip (CRC-32, ISO 3309), by zlib.
package enum CRC32 {
  /// The checksum of bytes; 0 for none.
  package static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.withUnsafeBufferPointer { bytes in
      // The result is 32 bits wide, whatever the platform's `uLong` is.
      UInt32(truncatingIfNeeded: crc32_z(0, bytes.baseAddress, bytes.count))
    }
  }
}
