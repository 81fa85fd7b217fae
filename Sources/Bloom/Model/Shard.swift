/// A run of a model's blocks, ready to compute.
///
/// Weights stay mapped as they are stored. Arithmetic runs on the process's compute threads; any
/// number of sessions may call at once, each with a cache of its own.
public final class Shard: Sendable {
  /// The model.
  public let checkpoint: Checkpoint
  /// The blocks.
  public let blocks: BlockRange
  /// How caches of its sessions store keys and values.
  public let cacheType: CacheType
  let stack: BlockStack

  /// Throws when `blocks` is a range of a model with another number of blocks.
  public init(
    _ checkpoint: Checkpoint, blocks: BlockRange, cacheType: CacheType = .f32
  ) throws(BlockRangeError) {
    self.checkpoint = checkpoint
    self.blocks = blocks
    self.cacheType = cacheType
    stack = try BlockStack(checkpoint, range: blocks)
  }

  private init(_ whole: Shard, part: BlockRange) {
    checkpoint = whole.checkpoint
    blocks = part
    cacheType = whole.cacheType
    stack = BlockStack(whole.stack, part: part)
  }

  /// Some of these blocks as a shard of their own, which shares the weights.
  ///
  /// Nil when the blocks are not all among these.
  public func part(_ blocks: BlockRange) -> Shard? {
    guard blocks.blockCount == self.blocks.blockCount,
      blocks.lowerBound >= self.blocks.lowerBound, blocks.upperBound <= self.blocks.upperBound
    else { return nil }
    return blocks == self.blocks ? self : Shard(self, part: blocks)
  }

  /// Bytes of cache that one token takes in `blocks` of a model: its keys and values.
  public static func bytesPerCachedToken(
    _ configuration: BloomConfiguration, blocks: BlockRange, cacheType: CacheType = .f32
  ) -> Int {
    2 * blocks.count * configuration.hiddenSize * cacheType.size
  }

  /// Bytes of cache that one token of a session takes here.
  public var bytesPerCachedToken: Int {
    Self.bytesPerCachedToken(checkpoint.configuration, blocks: blocks, cacheType: cacheType)
  }

  /// Multiplications of so many tokens, after those that a cache holds.
  package func multiplications(tokens: Int, after position: Int) -> Int {
    let hidden = checkpoint.configuration.hiddenSize
    // Four matrices have 3, 1, 4 and 4 times the hidden size squared; each key and each value counts once.
    return blocks.count * tokens * hidden * (12 * hidden + 2 * (position + tokens))
  }

  /// An empty cache for a session of up to `maximumLength` tokens (at least one).
  public func makeCache(maximumLength: Int) -> KeyValueCache {
    KeyValueCache(
      checkpoint.configuration, blocks: blocks, type: cacheType, maximumLength: maximumLength)
  }

  /// Sends tokens through the blocks, after those that `cache` holds; without a cache they are a
  /// sequence of their own.
  ///
  /// The last block's output, before `ln_f`, in the input's shape [tokens, hidden]. The cache
  /// advances only when the whole pass succeeded. Throws ``ShapeError``, ``CacheError``, or
  /// `CancellationError` between two blocks.
  public func forward(
    _ input: HiddenStates, cache: KeyValueCache? = nil
  ) async throws -> HiddenStates {
    let cache = cache ?? makeCache(maximumLength: input.tokens)
    return try await forward(batch: [SessionStep(input: input, cache: cache)])[0]
  }

  /// Sends tokens of several sessions through the blocks together, reading each weight once for all.
  ///
  /// Results in the order of `batch`, as if each had run alone up to rounding; all caches advance,
  /// or none.
  public func forward(batch: [SessionStep]) async throws -> [HiddenStates] {
    guard !batch.isEmpty else { return [] }
    let pass = try ForwardPass(stack, batch)
    return try await ComputePool.current.runSteps { try pass.step($0) }
  }
}

// What a job on a compute thread calls directly, where another way through the pool would cost time.

extension Shard {
  /// Sends tokens of several sessions through the blocks together, to the end, on this thread.
  ///
  /// As `forward(batch:)`; the caller is a compute thread, and decides how long a batch may be.
  package func forwardSync(batch: [SessionStep]) throws -> [HiddenStates] {
    let pass = try ForwardPass(stack, batch)
    let cancellation = Cancellation()
    while true {
      if let results = try pass.step(cancellation) { return results }
    }
  }
}
