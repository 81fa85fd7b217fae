/// Keccak-256 with the original padding, the hash of Ethereum.
///
/// It differs from SHA3-256 in one padding byte, 0x01 against 0x06. It is written here because
/// OpenSSL 3.0 has no such digest. Source: the Keccak reference, rate 1088, capacity 512.
public enum Keccak256 {
  /// Bytes taken in for each permutation.
  static let rate = 136

  /// Hashes a byte string.
  public static func hash(_ bytes: some Sequence<UInt8>) -> Hash32 {
    let digest = bytes.withContiguousStorageIfAvailable { hash(UnsafeRawBufferPointer($0)) }
    return digest ?? Array(bytes).withUnsafeBytes { hash($0) }
  }

  /// Hashes the UTF-8 form of a text.
  public static func hash(_ text: String) -> Hash32 { hash(text.utf8) }

  /// Hashes the bytes of a buffer without copying them.
  package static func hash(_ message: UnsafeRawBufferPointer) -> Hash32 {
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 25) { state in
      state.initialize(repeating: 0)
      var offset = 0
      while message.count - offset >= rate {
        absorb(message, at: offset, into: state)
        KeccakPermutation.apply(to: state)
        offset += rate
      }
      withUnsafeTemporaryAllocation(byteCount: rate, alignment: 8) { block in
        let rest = message.count - offset
        block.initializeMemory(as: UInt8.self, repeating: 0)
        block.copyMemory(from: UnsafeRawBufferPointer(rebasing: message[offset...]))
        block[rest] ^= 0x01
        block[rate - 1] ^= 0x80
        absorb(UnsafeRawBufferPointer(block), at: 0, into: state)
      }
      KeccakPermutation.apply(to: state)
      return Hash32(word: Word(high: pair(state, 0), low: pair(state, 2)))
    }
  }

  private static func absorb(
    _ message: UnsafeRawBufferPointer, at offset: Int,
    into state: UnsafeMutableBufferPointer<UInt64>
  ) {
    var lane = 0
    while lane < rate / 8 {
      let bytes = message.loadUnaligned(fromByteOffset: offset + lane * 8, as: UInt64.self)
      state[lane] ^= UInt64(littleEndian: bytes)
      lane += 1
    }
  }

  /// Two lanes of the digest as a big-endian number.
  private static func pair(_ state: UnsafeMutableBufferPointer<UInt64>, _ lane: Int) -> UInt128 {
    UInt128(state[lane].byteSwapped) << 64 | UInt128(state[lane + 1].byteSwapped)
  }
}
