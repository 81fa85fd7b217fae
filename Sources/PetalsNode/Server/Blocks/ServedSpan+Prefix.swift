import Bloom

// How a session begins where an earlier one with the same prompt has been.
//
// A node sees hidden states, not tokens. What comes out of blocks depends on what went in alone, so the bytes
// of the hidden states are as good a name for a beginning as its tokens: at the first blocks equal tokens have
// equal bytes, and every later node gets equal bytes from a node that computed, or kept, the same. Where two
// nodes serve the same blocks and round otherwise, their successor sees two beginnings, and computes both.

extension ServedSpan {
  /// Hidden states through the blocks, after what the cache holds.
  ///
  /// - Parameters:
  ///   - position: Tokens that the cache holds.
  ///   - prompts: Added to the first rows before each block; such a step is computed whole.
  /// - Returns: The output, and how many tokens an earlier session had computed.
  func step(
    _ hidden: HiddenStates, at position: Int, cache: KeyValueCache, prompts: DeepPrompts?,
    from participant: DecodeScheduler.Queue.Participant?
  ) async throws -> (output: HiddenStates, reused: Int) {
    guard pages.isOn, position == 0, prompts == nil, hidden.tokens >= PrefixPages.tokens else {
      let output = try await steps.step(hidden, cache: cache, prompts: prompts, from: participant)
      return (output, 0)
    }
    let (keys, found) = try await ComputePool.current.run { [pages, shard] cancellation in
      try cancellation.check()
      let keys = hidden.values.withUnsafeBytes {
        PrefixPages.keys(
          "\(shard.blocks) \(shard.cacheType)", of: $0,
          bytesPerToken: hidden.hidden * MemoryLayout<Float>.stride)
      }
      let found = pages.find(keys)
      try cache.append(found)
      return (keys, found)
    }
    let reused = found.count * PrefixPages.tokens
    pages.count(computed: hidden.tokens - reused, reused: reused)
    var values = found.flatMap(\.output)
    if reused < hidden.tokens {
      let rest = reused == 0 ? hidden : hidden.slice(reused..<hidden.tokens)
      let new = try await steps.step(rest, cache: cache, prompts: nil, from: participant)
      values += new.values
    }
    let output = try HiddenStates(tokens: hidden.tokens, hidden: hidden.hidden, values: values)
    if found.count < keys.count {
      try await ComputePool.current.run { [pages] cancellation in
        try cancellation.check()
        pages.keep(
          (found.count..<keys.count).map { index in
            let tokens = index * PrefixPages.tokens..<(index + 1) * PrefixPages.tokens
            return PrefixPages.Page(
              keyValues: cache.page(of: tokens), output: output.slice(tokens).values)
          }, of: keys)
      }
    }
    return (output, reused)
  }
}
