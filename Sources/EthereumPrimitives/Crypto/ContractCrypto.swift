/// Cryptographic functions of the Ethereum virtual machine's contracts.
package enum ContractCrypto {
  /// SHA-256 (FIPS 180-4): 32 bytes.
  package static func sha256(_ message: UnsafeRawBufferPointer) -> [UInt8] {
    Libcrypto.digest(.sha256, message)
  }

  /// The base to the power of the exponent modulo the modulus, in as many bytes as the modulus has;
  /// zeros when the modulus is 0 (EIP-198).
  ///
  /// All numbers are big-endian. Nil for one of more than some 67 million bytes, which libcrypto cannot
  /// compute with; no block of a real chain has the gas for it.
  package static func modularPower(
    base: [UInt8], exponent: [UInt8], modulus: [UInt8]
  ) -> [UInt8]? {
    Libcrypto.modularPower(base: base, exponent: exponent, modulus: modulus)
  }

  /// The account whose key signed a digest, or nil when no key can have; unlike a transaction's
  /// signature, one with a high s is as good as any other.
  package static func signer(of hash: Hash32, r: Word, s: Word, yParity: UInt8) -> Address? {
    let compact = r.bigEndianBytes + s.bigEndianBytes
    return Curve.recover(hash, compact: compact, yParity: yParity).map {
      PublicKey(recovered: $0).address
    }
  }
}

/// RIPEMD-160, which Ethereum's contract 0x03 computes.
///
/// It is written here because OpenSSL 3.0 has it in its legacy provider only (before 3.0.7), which
/// not every system installs. Source: Dobbertin, Bosselaers, Preneel, "RIPEMD-160: a strengthened
/// version of RIPEMD" (1996).
package enum RIPEMD160 {
  private static let leftWords: [UInt8] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
    7, 4, 13, 1, 10, 6, 15, 3, 12, 0, 9, 5, 2, 14, 11, 8,
    3, 10, 14, 4, 9, 15, 8, 1, 2, 7, 0, 6, 13, 11, 5, 12,
    1, 9, 11, 10, 0, 8, 12, 4, 13, 3, 7, 15, 14, 5, 6, 2,
    4, 0, 5, 9, 7, 12, 2, 10, 14, 1, 3, 8, 11, 6, 15, 13,
  ]
  private static let rightWords: [UInt8] = [
    5, 14, 7, 0, 9, 2, 11, 4, 13, 6, 15, 8, 1, 10, 3, 12,
    6, 11, 3, 7, 0, 13, 5, 10, 14, 15, 8, 12, 4, 9, 1, 2,
    15, 5, 1, 3, 7, 14, 6, 9, 11, 8, 12, 2, 10, 0, 4, 13,
    8, 6, 4, 1, 3, 11, 15, 0, 5, 12, 2, 13, 9, 7, 10, 14,
    12, 15, 10, 4, 1, 5, 8, 7, 6, 2, 13, 14, 0, 3, 9, 11,
  ]
  private static let leftTurns: [UInt8] = [
    11, 14, 15, 12, 5, 8, 7, 9, 11, 13, 14, 15, 6, 7, 9, 8,
    7, 6, 8, 13, 11, 9, 7, 15, 7, 12, 15, 9, 11, 7, 13, 12,
    11, 13, 6, 7, 14, 9, 13, 15, 14, 8, 13, 6, 5, 12, 7, 5,
    11, 12, 14, 15, 14, 15, 9, 8, 9, 14, 5, 6, 8, 6, 5, 12,
    9, 15, 5, 11, 6, 8, 13, 12, 5, 12, 13, 14, 11, 8, 5, 6,
  ]
  private static let rightTurns: [UInt8] = [
    8, 9, 9, 11, 13, 15, 15, 5, 7, 7, 8, 11, 14, 14, 12, 6,
    9, 13, 15, 7, 12, 8, 9, 11, 7, 7, 12, 7, 6, 15, 13, 11,
    9, 7, 15, 11, 8, 6, 6, 14, 12, 13, 5, 14, 13, 13, 7, 5,
    15, 5, 8, 11, 14, 14, 6, 14, 6, 9, 12, 9, 12, 5, 15, 8,
    8, 5, 12, 9, 12, 5, 14, 6, 8, 13, 6, 5, 15, 13, 11, 11,
  ]
  private static let leftConstants: [UInt32] = [
    0, 0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xa953_fd4e,
  ]
  private static let rightConstants: [UInt32] = [
    0x50a2_8be6, 0x5c4d_d124, 0x6d70_3ef3, 0x7a6d_76e9, 0,
  ]

  /// The digest's 20 bytes.
  package static func hash(_ message: UnsafeRawBufferPointer) -> [UInt8] {
    var state: [UInt32] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0]
    var padded = [UInt8](message)
    padded.append(0x80)
    while padded.count % 64 != 56 { padded.append(0) }
    withUnsafeBytes(of: (UInt64(message.count) &* 8).littleEndian) {
      padded.append(contentsOf: $0)
    }
    padded.withUnsafeBytes { bytes in
      for offset in stride(from: 0, to: bytes.count, by: 64) {
        compress(UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + 64)]), into: &state)
      }
    }
    return state.flatMap { word in withUnsafeBytes(of: word.littleEndian) { Array($0) } }
  }

  private static func compress(_ block: UnsafeRawBufferPointer, into state: inout [UInt32]) {
    let words = (0..<16).map {
      UInt32(littleEndian: block.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self))
    }
    var left = state
    var right = state
    for step in 0..<80 {
      let round = step / 16
      turn(
        &left, mix(round, left[1], left[2], left[3]), words[Int(leftWords[step])],
        leftConstants[round], UInt32(leftTurns[step]))
      turn(
        &right, mix(4 - round, right[1], right[2], right[3]), words[Int(rightWords[step])],
        rightConstants[round], UInt32(rightTurns[step]))
    }
    state = [
      state[1] &+ left[2] &+ right[3], state[2] &+ left[3] &+ right[4],
      state[3] &+ left[4] &+ right[0], state[4] &+ left[0] &+ right[1],
      state[0] &+ left[1] &+ right[2],
    ]
  }

  private static func turn(
    _ line: inout [UInt32], _ mixed: UInt32, _ word: UInt32, _ constant: UInt32, _ turns: UInt32
  ) {
    let sum = rotated(line[0] &+ mixed &+ word &+ constant, turns) &+ line[4]
    (line[0], line[1], line[2], line[3], line[4]) = (
      line[4], sum, line[1], rotated(line[2], 10), line[3]
    )
  }

  private static func rotated(_ value: UInt32, _ count: UInt32) -> UInt32 {
    value << count | value >> (32 - count)
  }

  private static func mix(_ round: Int, _ x: UInt32, _ y: UInt32, _ z: UInt32) -> UInt32 {
    switch round {
    case 0: x ^ y ^ z
    case 1: (x & y) | (~x & z)
    case 2: (x | ~y) ^ z
    case 3: (x & z) | (y & ~z)
    default: x ^ (y | ~z)
    }
  }
}
