/// scrypt (RFC 7914) for every n that is a power of two.
///
/// libcrypto refuses n ≥ 2^(16 r). Nothing in the function asks for that limit, and keystores with
/// r = 1 and n = 2^18 exist: the format's own example is one. Only what mixes is computed here; both
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
    // The table, the block that is mixed, and where the next one is put together.
    return try Libcrypto.withSecretMemory(byteCount: 4 * words * (n + 2)) {
      (memory) throws(LibcryptoError) in
      let table = memory.assumingMemoryBound(to: UInt32.self)
      let mixer = BlockMixer(
        block: .init(rebasing: table[(n * words)..<((n + 1) * words)]),
        scratch: .init(rebasing: table[((n + 1) * words)...]), r: r)
      return SecretBytes(count: blocks.count) { output in
        blocks.withUnsafeBytes { input in
          for start in stride(from: 0, to: input.count, by: 4 * words) {
            let range = start..<(start + 4 * words)
            mixer.load(UnsafeRawBufferPointer(rebasing: input[range]))
            fill(table, from: mixer, n: n)
            look(into: table, with: mixer, n: n)
            mixer.store(in: UnsafeMutableRawBufferPointer(rebasing: output[range]))
          }
        }
      }
    }
  }

  /// Steps 2 and before: the table holds what each round begins with.
  private static func fill(
    _ table: UnsafeMutableBufferPointer<UInt32>, from mixer: BlockMixer, n: Int
  ) {
    let words = mixer.block.count
    for row in 0..<n {
      for word in 0..<words { table[row * words + word] = mixer.block[word] }
      mixer.mix()
    }
  }

  /// Step 3: each round adds the row that the block names.
  private static func look(
    into table: UnsafeMutableBufferPointer<UInt32>, with mixer: BlockMixer, n: Int
  ) {
    let words = mixer.block.count
    for _ in 0..<n {
      // n is at most 2³²: the low half of Integerify is enough.
      let row = Int(mixer.block[words - 16]) & (n - 1)
      for word in 0..<words { mixer.block[word] ^= table[row * words + word] }
      mixer.mix()
    }
  }
}

/// scryptBlockMix (section 4) of one block, in memory that belongs to somebody else.
private struct BlockMixer {
  /// 32·r words.
  let block: UnsafeMutableBufferPointer<UInt32>
  /// As many.
  let scratch: UnsafeMutableBufferPointer<UInt32>
  let r: Int

  func load(_ bytes: UnsafeRawBufferPointer) {
    for word in 0..<block.count {
      block[word] = UInt32(
        littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * word, as: UInt32.self))
    }
  }

  func store(in bytes: UnsafeMutableRawBufferPointer) {
    for word in 0..<block.count {
      bytes.storeBytes(
        of: block[word].littleEndian, toByteOffset: 4 * word, as: UInt32.self)
    }
  }

  func mix() {
    var state = Salsa(block, at: block.count - 16)
    for part in 0..<(2 * r) {
      state.mix(with: block, at: 16 * part)
      // The even parts come first, then the odd ones.
      state.store(in: scratch, at: 16 * (part / 2 + (part.isMultiple(of: 2) ? 0 : r)))
    }
    for word in 0..<block.count { block[word] = scratch[word] }
  }
}
