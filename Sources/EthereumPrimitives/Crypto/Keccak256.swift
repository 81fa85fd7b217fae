/// Keccak-256 with the original padding, the hash of Ethereum.
///
/// It differs from SHA3-256 in one padding byte, 0x01 against 0x06. It is written here because
/// OpenSSL 3.0 has no such digest. Source: the Keccak reference, rate 1088, capacity 512.
public enum Keccak256 {
  /// Bytes taken in for each permutation.
  static let rate = 136

  /// Hashes a byte string.
  public static func hash(_ bytes: [UInt8]) -> Hash32 { bytes.withUnsafeBytes { hash($0) } }

  /// Hashes a part of a byte string.
  public static func hash(_ bytes: ArraySlice<UInt8>) -> Hash32 {
    bytes.withUnsafeBytes { hash($0) }
  }

  /// Hashes a sequence of bytes.
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

/// The permutation Keccak-f[1600]: 24 rounds over 25 lanes of 64 bits.
///
/// The lanes live in local variables and the steps are written out, so that the optimiser keeps
/// them in registers and a debug build makes no call per step. Lane x + 5·y is `a(x + 5·y)`.
enum KeccakPermutation {
  /// The constants of step ι, one a round.
  private static let constants: [UInt64] = [
    0x0000_0000_0000_0001, 0x0000_0000_0000_8082, 0x8000_0000_0000_808A,
    0x8000_0000_8000_8000, 0x0000_0000_0000_808B, 0x0000_0000_8000_0001,
    0x8000_0000_8000_8081, 0x8000_0000_0000_8009, 0x0000_0000_0000_008A,
    0x0000_0000_0000_0088, 0x0000_0000_8000_8009, 0x0000_0000_8000_000A,
    0x0000_0000_8000_808B, 0x8000_0000_0000_008B, 0x8000_0000_0000_8089,
    0x8000_0000_0000_8003, 0x8000_0000_0000_8002, 0x8000_0000_0000_0080,
    0x0000_0000_0000_800A, 0x8000_0000_8000_000A, 0x8000_0000_8000_8081,
    0x8000_0000_0000_8080, 0x0000_0000_8000_0001, 0x8000_0000_8000_8008,
  ]

  /// Permutes 25 lanes in place.
  static func apply(to state: UnsafeMutableBufferPointer<UInt64>) {
    var (a0, a1, a2, a3, a4) = (
      state[0], state[1], state[2], state[3], state[4]
    )
    var (a5, a6, a7, a8, a9) = (
      state[5], state[6], state[7], state[8], state[9]
    )
    var (a10, a11, a12, a13, a14) = (
      state[10], state[11], state[12], state[13], state[14]
    )
    var (a15, a16, a17, a18, a19) = (
      state[15], state[16], state[17], state[18], state[19]
    )
    var (a20, a21, a22, a23, a24) = (
      state[20], state[21], state[22], state[23], state[24]
    )
    for constant in constants {
      // θ: every lane takes in the parities of two neighbouring columns.
      let c0: UInt64 = a0 ^ a5 ^ a10 ^ a15 ^ a20
      let c1: UInt64 = a1 ^ a6 ^ a11 ^ a16 ^ a21
      let c2: UInt64 = a2 ^ a7 ^ a12 ^ a17 ^ a22
      let c3: UInt64 = a3 ^ a8 ^ a13 ^ a18 ^ a23
      let c4: UInt64 = a4 ^ a9 ^ a14 ^ a19 ^ a24
      let d0: UInt64 = c4 ^ (c1 &<< 1 | c1 &>> 63)
      let d1: UInt64 = c0 ^ (c2 &<< 1 | c2 &>> 63)
      let d2: UInt64 = c1 ^ (c3 &<< 1 | c3 &>> 63)
      let d3: UInt64 = c2 ^ (c4 &<< 1 | c4 &>> 63)
      let d4: UInt64 = c3 ^ (c0 &<< 1 | c0 &>> 63)
      // ρ and π: the lanes are rotated, each by its own count, and change places.
      let b0: UInt64 = a0 ^ d0
      let b1: UInt64 = (a6 ^ d1) &<< 44 | (a6 ^ d1) &>> 20
      let b2: UInt64 = (a12 ^ d2) &<< 43 | (a12 ^ d2) &>> 21
      let b3: UInt64 = (a18 ^ d3) &<< 21 | (a18 ^ d3) &>> 43
      let b4: UInt64 = (a24 ^ d4) &<< 14 | (a24 ^ d4) &>> 50
      let b5: UInt64 = (a3 ^ d3) &<< 28 | (a3 ^ d3) &>> 36
      let b6: UInt64 = (a9 ^ d4) &<< 20 | (a9 ^ d4) &>> 44
      let b7: UInt64 = (a10 ^ d0) &<< 3 | (a10 ^ d0) &>> 61
      let b8: UInt64 = (a16 ^ d1) &<< 45 | (a16 ^ d1) &>> 19
      let b9: UInt64 = (a22 ^ d2) &<< 61 | (a22 ^ d2) &>> 3
      let b10: UInt64 = (a1 ^ d1) &<< 1 | (a1 ^ d1) &>> 63
      let b11: UInt64 = (a7 ^ d2) &<< 6 | (a7 ^ d2) &>> 58
      let b12: UInt64 = (a13 ^ d3) &<< 25 | (a13 ^ d3) &>> 39
      let b13: UInt64 = (a19 ^ d4) &<< 8 | (a19 ^ d4) &>> 56
      let b14: UInt64 = (a20 ^ d0) &<< 18 | (a20 ^ d0) &>> 46
      let b15: UInt64 = (a4 ^ d4) &<< 27 | (a4 ^ d4) &>> 37
      let b16: UInt64 = (a5 ^ d0) &<< 36 | (a5 ^ d0) &>> 28
      let b17: UInt64 = (a11 ^ d1) &<< 10 | (a11 ^ d1) &>> 54
      let b18: UInt64 = (a17 ^ d2) &<< 15 | (a17 ^ d2) &>> 49
      let b19: UInt64 = (a23 ^ d3) &<< 56 | (a23 ^ d3) &>> 8
      let b20: UInt64 = (a2 ^ d2) &<< 62 | (a2 ^ d2) &>> 2
      let b21: UInt64 = (a8 ^ d3) &<< 55 | (a8 ^ d3) &>> 9
      let b22: UInt64 = (a14 ^ d4) &<< 39 | (a14 ^ d4) &>> 25
      let b23: UInt64 = (a15 ^ d0) &<< 41 | (a15 ^ d0) &>> 23
      let b24: UInt64 = (a21 ^ d1) &<< 2 | (a21 ^ d1) &>> 62
      // χ: the one step that is not linear; ι breaks the symmetry of the rounds.
      a0 = b0 ^ (~b1 & b2) ^ constant
      a1 = b1 ^ (~b2 & b3)
      a2 = b2 ^ (~b3 & b4)
      a3 = b3 ^ (~b4 & b0)
      a4 = b4 ^ (~b0 & b1)
      a5 = b5 ^ (~b6 & b7)
      a6 = b6 ^ (~b7 & b8)
      a7 = b7 ^ (~b8 & b9)
      a8 = b8 ^ (~b9 & b5)
      a9 = b9 ^ (~b5 & b6)
      a10 = b10 ^ (~b11 & b12)
      a11 = b11 ^ (~b12 & b13)
      a12 = b12 ^ (~b13 & b14)
      a13 = b13 ^ (~b14 & b10)
      a14 = b14 ^ (~b10 & b11)
      a15 = b15 ^ (~b16 & b17)
      a16 = b16 ^ (~b17 & b18)
      a17 = b17 ^ (~b18 & b19)
      a18 = b18 ^ (~b19 & b15)
      a19 = b19 ^ (~b15 & b16)
      a20 = b20 ^ (~b21 & b22)
      a21 = b21 ^ (~b22 & b23)
      a22 = b22 ^ (~b23 & b24)
      a23 = b23 ^ (~b24 & b20)
      a24 = b24 ^ (~b20 & b21)
    }
    (state[0], state[1], state[2], state[3], state[4]) = (
      a0, a1, a2, a3, a4
    )
    (state[5], state[6], state[7], state[8], state[9]) = (
      a5, a6, a7, a8, a9
    )
    (state[10], state[11], state[12], state[13], state[14]) = (
      a10, a11, a12, a13, a14
    )
    (state[15], state[16], state[17], state[18], state[19]) = (
      a15, a16, a17, a18, a19
    )
    (state[20], state[21], state[22], state[23], state[24]) = (
      a20, a21, a22, a23, a24
    )
  }
}
