/// scrypt (RFC 7914) for every n that is a power of two.
///
/// libcrypto refuses n ≥ 2^(16 r). The function does not require that limit, and keystores with
/// r = 1 and n = 2^18 exist: the format's own example is one. Only the mixing is computed here; both
/// rounds of PBKDF2 are libcrypto's.
package enum Scrypt {
  /// The key that follows from a password.
  ///
  /// - Parameters:
  ///   - n: Rounds, a power of two above 1.
  ///   - r: Size of a block, in 128 bytes; n·r of those are the memory that is needed.
  ///   - p: Blocks that are mixed one after the other.
  ///   - count: Bytes of the key.
  /// - Throws: `LibcryptoError` when the memory is not to be had.
  package static func key(
    password: SecretBytes, salt: [UInt8], n: Int, r: Int, p: Int, count: Int
  ) throws(LibcryptoError) -> SecretBytes {
    precondition(n > 1 && n.nonzeroBitCount == 1 && r > 0 && p > 0, "parameters were checked")
    let blocks = try Libcrypto.pbkdf2(
      .sha256, password: password, salt: salt, iterations: 1, count: p * 128 * r)
    let mixed = try mix(blocks, n: n, r: r)
    return try mixed.withUnsafeBytes { (salt) throws(LibcryptoError) in
      try Libcrypto.pbkdf2(.sha256, password: password, salt: salt, iterations: 1, count: count)
    }
  }

  /// scryptROMix (section 5) of each block in turn.
  private static func mix(
    _ blocks: SecretBytes, n: Int, r: Int
  ) throws(LibcryptoError) -> SecretBytes {
    let words = 32 * r
    // The table, the block that is mixed, where the next one is put together, and what is mixed.
    return try Libcrypto.withSecretMemory(byteCount: 4 * (words * (n + 2) + 16)) {
      (memory) throws(LibcryptoError) in
      guard let table = memory.assumingMemoryBound(to: UInt32.self).baseAddress else {
        preconditionFailure("memory that was asked for has an address")
      }
      let mixer = BlockMixer(table: table, n: n, r: r)
      return SecretBytes(count: blocks.count) { output in
        blocks.withUnsafeBytes { input in
          for start in stride(from: 0, to: input.count, by: 4 * words) {
            let range = start..<(start + 4 * words)
            mixer.load(UnsafeRawBufferPointer(rebasing: input[range]))
            mixer.fill()
            mixer.look()
            mixer.store(in: UnsafeMutableRawBufferPointer(rebasing: output[range]))
          }
        }
      }
    }
  }
}

/// One block and the table that it is mixed with, in memory that belongs to somebody else.
///
/// Why that is safe: every offset is below words · (n + 2) + 16, which is what the memory holds.
private struct BlockMixer {
  private let table, block, scratch, state: UnsafeMutablePointer<UInt32>
  private let n, r, words: Int

  init(table: UnsafeMutablePointer<UInt32>, n: Int, r: Int) {
    words = 32 * r
    self.table = table
    block = table + n * words
    scratch = block + words
    state = scratch + words
    self.n = n
    self.r = r
  }

  func load(_ bytes: UnsafeRawBufferPointer) {
    for word in 0..<words {
      block[word] = UInt32(
        littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * word, as: UInt32.self))
    }
  }

  func store(in bytes: UnsafeMutableRawBufferPointer) {
    for word in 0..<words {
      bytes.storeBytes(of: block[word].littleEndian, toByteOffset: 4 * word, as: UInt32.self)
    }
  }

  /// Step 2: the table holds what each round begins with.
  func fill() {
    for row in 0..<n {
      (table + row * words).update(from: block, count: words)
      mix()
    }
  }

  /// Step 3: each round adds the row that the block names.
  func look() {
    for _ in 0..<n {
      // n is at most 2³²: the low half of Integerify is enough.
      let row = table + (Int(block[words - 16]) & (n - 1)) * words
      add(row, to: block, count: words)
      mix()
    }
  }

  /// scryptBlockMix (section 4).
  private func mix() {
    state.update(from: block + words - 16, count: 16)
    for part in 0..<(2 * r) {
      add(block + 16 * part, to: state, count: 16)
      Salsa.mix(state)
      // The even parts come first, then the odd ones.
      let place = part / 2 + (part.isMultiple(of: 2) ? 0 : r)
      (scratch + 16 * place).update(from: state, count: 16)
    }
    block.update(from: scratch, count: words)
  }

  /// Adds words without carry.
  private func add(
    _ words: UnsafeMutablePointer<UInt32>, to sum: UnsafeMutablePointer<UInt32>, count: Int
  ) {
    var word = 0
    while word < count {
      sum[word] ^= words[word]
      word &+= 1
    }
  }
}

/// The core of Salsa20 with eight rounds (RFC 7914, section 3).
enum Salsa {
  /// Mixes sixteen words in their place.
  ///
  /// The words are the rows of a square. Each of the four passes is one round of its columns and one
  /// of its rows, all sixteen words in variables of their own: that is fast, also in a debug build.
  static func mix(_ words: UnsafeMutablePointer<UInt32>) {
    var (x0, x1, x2, x3) = (words[0], words[1], words[2], words[3])
    var (x4, x5, x6, x7) = (words[4], words[5], words[6], words[7])
    var (x8, x9, x10, x11) = (words[8], words[9], words[10], words[11])
    var (x12, x13, x14, x15) = (words[12], words[13], words[14], words[15])
    for _ in 0..<4 {
      x4 ^= turned(x0 &+ x12, by: 7)
      x8 ^= turned(x4 &+ x0, by: 9)
      x12 ^= turned(x8 &+ x4, by: 13)
      x0 ^= turned(x12 &+ x8, by: 18)
      x9 ^= turned(x5 &+ x1, by: 7)
      x13 ^= turned(x9 &+ x5, by: 9)
      x1 ^= turned(x13 &+ x9, by: 13)
      x5 ^= turned(x1 &+ x13, by: 18)
      x14 ^= turned(x10 &+ x6, by: 7)
      x2 ^= turned(x14 &+ x10, by: 9)
      x6 ^= turned(x2 &+ x14, by: 13)
      x10 ^= turned(x6 &+ x2, by: 18)
      x3 ^= turned(x15 &+ x11, by: 7)
      x7 ^= turned(x3 &+ x15, by: 9)
      x11 ^= turned(x7 &+ x3, by: 13)
      x15 ^= turned(x11 &+ x7, by: 18)
      x1 ^= turned(x0 &+ x3, by: 7)
      x2 ^= turned(x1 &+ x0, by: 9)
      x3 ^= turned(x2 &+ x1, by: 13)
      x0 ^= turned(x3 &+ x2, by: 18)
      x6 ^= turned(x5 &+ x4, by: 7)
      x7 ^= turned(x6 &+ x5, by: 9)
      x4 ^= turned(x7 &+ x6, by: 13)
      x5 ^= turned(x4 &+ x7, by: 18)
      x11 ^= turned(x10 &+ x9, by: 7)
      x8 ^= turned(x11 &+ x10, by: 9)
      x9 ^= turned(x8 &+ x11, by: 13)
      x10 ^= turned(x9 &+ x8, by: 18)
      x12 ^= turned(x15 &+ x14, by: 7)
      x13 ^= turned(x12 &+ x15, by: 9)
      x14 ^= turned(x13 &+ x12, by: 13)
      x15 ^= turned(x14 &+ x13, by: 18)
    }
    words[0] &+= x0
    words[1] &+= x1
    words[2] &+= x2
    words[3] &+= x3
    words[4] &+= x4
    words[5] &+= x5
    words[6] &+= x6
    words[7] &+= x7
    words[8] &+= x8
    words[9] &+= x9
    words[10] &+= x10
    words[11] &+= x11
    words[12] &+= x12
    words[13] &+= x13
    words[14] &+= x14
    words[15] &+= x15
  }

  @inline(__always)
  private static func turned(_ word: UInt32, by count: UInt32) -> UInt32 {
    (word &<< count) | (word &>> (32 &- count))
  }
}
