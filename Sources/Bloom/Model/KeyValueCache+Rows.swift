internal import BloomKernels

// How keys and values of one head lie.
//
// In f32 both are [capacity, headSize]. Values in f16 are as well. Keys in f16 lie in panels of 16, turned:
// [panels, headSize, 16], so that attention multiplies an element of a query with that of 16 keys at once and adds
// nothing up across a register.

extension KeyValueCache {
  /// Bytes of a key, or a value, of one head.
  var bytesPerRow: Int { headSize * type.size }

  /// The keys of one head, once there is memory, from a token on that is the first of a panel.
  func keys(block: Int, head: Int, from token: Int = 0) -> UnsafeMutableRawPointer {
    run(2 * block, head, from: token)
  }

  /// The values of one head, once there is memory, from a token on.
  func values(block: Int, head: Int, from token: Int = 0) -> UnsafeMutableRawPointer {
    run(2 * block + 1, head, from: token)
  }

  /// Stores a token's key and value, each [headSize], of one head, in a pass that claimed the cache.
  ///
  /// What is not a number stays none.
  /// - Throws: ``CacheError/beyondRange(_:)`` for elements that the type cannot hold.
  func store(
    key: UnsafePointer<Float>, value: UnsafePointer<Float>, block: Int, head: Int, token: Int
  ) throws(CacheError) {
    let values = values(block: block, head: head, from: token)
    let square: Float
    switch type {
    case .f32:
      square = bloom_dot(key, key, headSize)
      keys(block: block, head: head, from: token)
        .copyMemory(from: key, byteCount: bytesPerRow)
      values.copyMemory(from: value, byteCount: bytesPerRow)
    case .f16:
      let lane = token % CacheType.panel
      let panel = keys(block: block, head: head, from: token - lane)
      square = try round(key, into: panel + lane * type.size, step: CacheType.panel)
      _ = try round(value, into: values, step: 1)
    }
    let longest = longestKey(block: block, head: head)
    longest.pointee = ALiBi.longer(longest.pointee, square.squareRoot())
  }

  /// Stores [headSize] in 16 bits, elements `step` apart; the sum of the squares of what was stored.
  private func round(
    _ row: UnsafePointer<Float>, into target: UnsafeMutableRawPointer, step: Int
  ) throws(CacheError) -> Float {
    let square = bloom_store_f16(
      row, headSize, step, target.assumingMemoryBound(to: UInt16.self))
    guard square != .infinity else {
      throw .beyondRange(bloom_largest_magnitude(row, headSize))
    }
    return square
  }

  /// Copies the first tokens of a head's keys (even planes) or values to memory of another cache.
  ///
  /// Of a panel, nothing but these tokens is read: a pass may write others meanwhile.
  func copyRun(
    _ plane: Int, _ head: Int, tokens: Int, to target: UnsafeMutableRawPointer
  ) {
    let panel = type == .f16 && plane.isMultiple(of: 2) ? CacheType.panel : 1
    let whole = tokens / panel * panel
    let source = run(plane, head)
    target.copyMemory(from: source, byteCount: whole * bytesPerRow)
    guard whole < tokens else { return }
    for element in 0..<headSize {
      let offset = whole * bytesPerRow + element * panel * type.size
      (target + offset).copyMemory(
        from: source + offset, byteCount: (tokens - whole) * type.size)
    }
  }
}
