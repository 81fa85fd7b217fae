package import Bloom
import Foundation
import Synchronization

/// Sends whole sequences through blocks, and computes only the tokens that no earlier pass has computed.
///
/// A pass of `plumise.inference` brings the hidden states of all tokens so far. The sequences of the
/// last passes are kept: their input, their output, and the keys and values of the blocks. A pass whose
/// input begins with the same bytes goes on behind the longest such run of tokens. A kept sequence is
/// never changed before its end: a pass that differs from it in an earlier token, or that meets another
/// pass on it, works on a copy. Results are those of a full pass, up to the rounding of sums in another
/// order (Numerics.md, Tolerances).
package final class PrefixReuse: Sendable {
  /// What a pass gave, and what it took.
  package struct Pass: Sendable {
    /// `[tokens, hidden]`, for all tokens of the input.
    package let output: HiddenStates
    /// Tokens that went through the blocks; 0 when all were known.
    package let computedTokens: Int
  }

  /// What is kept, and what it was good for.
  package struct Usage: Sendable, Hashable {
    /// Sequences that are kept.
    package var sequences = 0
    /// Bytes that they take.
    package var bytes = 0
    /// Tokens of all passes that went through the blocks.
    package var computedTokens = 0
    /// Tokens of all passes that did not, since an earlier pass had computed them.
    package var reusedTokens = 0
  }

  /// A sequence that was computed; nothing of it changes.
  private struct Sequence: Sendable {
    let id: UInt64
    let input: HiddenStates
    let output: HiddenStates
    /// Its first `input.tokens` positions are those of the sequence.
    let cache: KeyValueCache

    var bytes: Int {
      let states = 2 * MemoryLayout<Float>.stride * input.values.count
      let (bytes, overflow) = cache.byteCount.addingReportingOverflow(states)
      return overflow ? .max : bytes
    }
  }

  private struct State: Sendable {
    /// The one that was used last is the last.
    var kept: [Sequence] = []
    var usage = Usage()
    var lastID: UInt64 = 0

    mutating func remove(_ id: UInt64) -> Sequence? {
      guard let index = kept.firstIndex(where: { $0.id == id }) else { return nil }
      let sequence = kept.remove(at: index)
      usage.sequences -= 1
      usage.bytes -= sequence.bytes
      return sequence
    }

    mutating func append(_ sequence: Sequence) {
      kept.append(sequence)
      usage.sequences += 1
      usage.bytes += sequence.bytes
    }
  }

  private let shard: Shard
  private let maximumLength: Int
  private let budget: Int
  private let maximumSequences: Int
  private let state = Mutex(State())

  /// Nothing is kept yet.
  ///
  /// - Parameters:
  ///   - shard: The blocks.
  ///   - maximumLength: Most tokens of a pass.
  ///   - budget: Bytes that all kept sequences may take; with 0 none is kept, and each pass is a full one.
  ///   - maximumSequences: How many sequences are kept at most.
  package init(_ shard: Shard, maximumLength: Int, budget: Int, maximumSequences: Int = 16) {
    self.shard = shard
    self.maximumLength = maximumLength
    self.budget = budget
    self.maximumSequences = maximumSequences
  }

  /// What is kept, and what it was good for.
  package var usage: Usage { state.withLock { $0.usage } }

  /// Forgets all sequences; a pass under way ends as it would have.
  package func removeAll() {
    // What the lock returns is freed outside it.
    _ = state.withLock { state in
      defer {
        state.kept = []
        (state.usage.sequences, state.usage.bytes) = (0, 0)
      }
      return state.kept
    }
  }

  /// Sends a whole sequence through the blocks.
  ///
  /// - Parameter input: `[tokens, hidden]`, from the sequence's first token on.
  /// - Throws: What Bloom throws; nothing is kept of a pass that fails.
  package func forward(_ input: HiddenStates) async throws -> Pass {
    guard budget > 0 else {
      let output = try await shard.forward(input)
      return count(Pass(output: output, computedTokens: input.tokens), of: input)
    }
    let found = longestMatch(input)
    if let found, found.tokens == input.tokens {
      use(found.sequence.id)
      let whole = found.sequence.output
      let output = whole.tokens == input.tokens ? whole : whole.slice(0..<input.tokens)
      return count(Pass(output: output, computedTokens: 0), of: input)
    }
    let known = found?.tokens ?? 0
    let cache = try await cache(for: input.tokens, after: found)
    let rest = known == 0 ? input : input.slice(known..<input.tokens)
    let new = try await shard.forward(rest, cache: cache)
    var output = new
    if let found, known > 0 {
      output = try HiddenStates(
        tokens: input.tokens, hidden: input.hidden,
        values: found.sequence.output.values[..<(known * input.hidden)] + new.values)
    }
    keep(input, output, cache)
    return count(Pass(output: output, computedTokens: rest.tokens), of: input)
  }

  /// The kept sequence that agrees with the input in the most tokens from the first on, if any does.
  private func longestMatch(_ input: HiddenStates) -> (sequence: Sequence, tokens: Int)? {
    // Compared outside the lock: a long input takes a while.
    var best: (sequence: Sequence, tokens: Int)?
    for sequence in state.withLock({ $0.kept }) {
      let tokens = sequence.input.commonTokens(with: input)
      if tokens > best?.tokens ?? 0 { best = (sequence, tokens) }
    }
    return best
  }

  /// A cache that holds the tokens that were found, has capacity for all, and that no other pass has.
  private func cache(
    for tokens: Int, after found: (sequence: Sequence, tokens: Int)?
  ) async throws -> KeyValueCache {
    guard let (sequence, known) = found else {
      return shard.makeCache(maximumLength: capacity(tokens))
    }
    // A sequence that goes on takes the place of the shorter one.
    let isOwn =
      known == sequence.input.tokens && state.withLock { $0.remove(sequence.id) } != nil
    if isOwn, sequence.cache.maximumLength >= tokens { return sequence.cache }
    // The positions that are copied are never written again, whoever appends behind them meanwhile.
    let capacity = capacity(tokens)
    return try await ComputePool.current.run { cancellation in
      try cancellation.check()
      return try sequence.cache.copy(of: known, maximumLength: capacity)
    }
  }

  /// Room for a quarter more than a sequence has now, so that its next tokens seldom need a copy.
  private func capacity(_ tokens: Int) -> Int {
    let more = tokens + max(64, tokens / 4)
    return max(tokens, min(more, maximumLength))
  }

  /// Notes that a sequence was used.
  private func use(_ id: UInt64) {
    state.withLock { state in
      if let sequence = state.remove(id) { state.append(sequence) }
    }
  }

  /// Keeps a sequence, and forgets those that were not used for longest where there are too many.
  private func keep(_ input: HiddenStates, _ output: HiddenStates, _ cache: KeyValueCache) {
    // What the lock returns is freed outside it.
    _ = state.withLock { state -> [Sequence] in
      state.lastID += 1
      let sequence = Sequence(id: state.lastID, input: input, output: output, cache: cache)
      // One that is too large by itself drives out no others.
      guard sequence.bytes <= budget else { return [sequence] }
      var removed: [Sequence] = []
      while state.usage.bytes > budget - sequence.bytes || state.kept.count >= maximumSequences,
        let first = state.kept.first
      {
        _ = state.remove(first.id)
        removed.append(first)
      }
      state.append(sequence)
      return removed
    }
  }

  private func count(_ pass: Pass, of input: HiddenStates) -> Pass {
    state.withLock { state in
      state.usage.computedTokens += pass.computedTokens
      state.usage.reusedTokens += input.tokens - pass.computedTokens
    }
    return pass
  }
}

extension HiddenStates {
  /// How many tokens from the first on have the same bytes in both.
  fileprivate func commonTokens(with other: HiddenStates) -> Int {
    guard hidden == other.hidden else { return 0 }
    let row = hidden * MemoryLayout<Float>.stride
    return values.withUnsafeBytes { own in
      other.values.withUnsafeBytes { other in
        guard let own = own.baseAddress, let second = other.baseAddress else { return 0 }
        let most = min(tokens, other.count / row)
        return (0..<most).first { memcmp(own + $0 * row, second + $0 * row, row) != 0 } ?? most
      }
    }
  }
}
