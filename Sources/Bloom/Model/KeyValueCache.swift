import Synchronization

/// What a run of blocks remembers of a session's tokens: their keys and values.
///
/// A cache serves one pass at a time; a second one meanwhile is refused, so that two steps of a
/// session cannot mix.
public final class KeyValueCache: Sendable {
  private struct State {
    var position = 0
    var isClaimed = false
  }

  /// The blocks it belongs to.
  public let layers: LayerRange
  /// Tokens it can hold.
  public let maximumLength: Int
  private let headCount: Int
  private let headSize: Int
  private let storage: FloatBuffer
  private let state = Mutex(State())

  init(_ configuration: BloomConfiguration, layers: LayerRange, maximumLength: Int) {
    precondition(maximumLength > 0, "a cache holds at least one token")
    self.layers = layers
    self.maximumLength = maximumLength
    headCount = configuration.headCount
    headSize = configuration.headSize
    // [block, key/value, head, token, element]. The system hands out the pages as they are written.
    storage = FloatBuffer(
      count: layers.count * 2 * configuration.hiddenSize * maximumLength)
  }

  /// Tokens it holds.
  public var position: Int { state.withLock { $0.position } }

  /// Bytes it reserves.
  public var byteCount: Int { storage.count * MemoryLayout<Float>.stride }

  /// Bytes in use by the tokens it holds.
  public var usedByteCount: Int { byteCount / maximumLength * position }

  /// Forgets the tokens from `position` on; throws when there are fewer, or a pass is under way.
  public func truncate(to position: Int) throws(CacheError) {
    try state.withLock { state throws(CacheError) in
      guard !state.isClaimed else { throw .busy }
      guard (0...state.position).contains(position) else {
        throw .beyondPosition(requested: position, position: state.position)
      }
      state.position = position
    }
  }

  /// Reserves the cache for a pass of `tokens` more; returns their first position.
  func claim(_ tokens: Int) throws(CacheError) -> Int {
    try state.withLock { state throws(CacheError) in
      guard !state.isClaimed else { throw .busy }
      guard state.position + tokens <= maximumLength else {
        throw .full(position: state.position, tokens: tokens, maximum: maximumLength)
      }
      state.isClaimed = true
      return state.position
    }
  }

  /// Ends a pass; `tokens` are now held (none after a failure).
  func release(adding tokens: Int) {
    state.withLock {
      $0.isClaimed = false
      $0.position += tokens
    }
  }

  /// The keys of one head, [maximumLength, headSize].
  func keys(block: Int, head: Int) -> UnsafeMutablePointer<Float> { run(2 * block, head) }

  /// The values of one head, [maximumLength, headSize].
  func values(block: Int, head: Int) -> UnsafeMutablePointer<Float> { run(2 * block + 1, head) }

  private func run(_ plane: Int, _ head: Int) -> UnsafeMutablePointer<Float> {
    storage.pointer + (plane * headCount + head) * maximumLength * headSize
  }
}

/// Why a cache refuses.
public enum CacheError: Error, Hashable, Sendable, CustomStringConvertible {
  case full(position: Int, tokens: Int, maximum: Int)
  case busy
  case beyondPosition(requested: Int, position: Int)
  case otherBlocks(expected: String, found: String)

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .full(let position, let tokens, let maximum):
      "cache full: \(position) tokens held, \(tokens) more asked for, at most \(maximum)"
    case .busy:
      "cache busy: another pass of the same session is under way"
    case .beyondPosition(let requested, let position):
      "cache holds \(position) tokens and cannot be cut to \(requested)"
    case .otherBlocks(let expected, let found):
      "cache belongs to blocks \(found), not to \(expected)"
    }
  }
}
