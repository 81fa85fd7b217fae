import Foundation
import Synchronization

/// The keys and values of a session's tokens in a run of blocks.
///
/// A cache is used by one pass at a time; a concurrent one is refused, so that two steps of a session
/// cannot mix.
public final class KeyValueCache: Sendable {
  private struct State {
    var position = 0
    var isReserved = false
  }

  /// The blocks it belongs to.
  public let blocks: BlockRange
  /// How it stores keys and values.
  public let type: CacheType
  /// Tokens it can hold.
  public let maximumLength: Int
  /// Tokens that it has room for: whole panels of keys.
  let capacity: Int
  let headCount: Int
  let headSize: Int
  private let hiddenSize: Int
  private let state = Mutex(State())
  /// Nil before the first pass; written once, under the lock, by who is about to begin a pass.
  private nonisolated(unsafe) var memory: CacheMemory?

  init(
    _ configuration: BloomConfiguration, blocks: BlockRange, type: CacheType, maximumLength: Int
  ) {
    precondition(maximumLength > 0, "a cache holds at least one token")
    self.blocks = blocks
    self.type = type
    self.maximumLength = maximumLength
    capacity = type.capacity(for: maximumLength)
    headCount = configuration.headCount
    headSize = configuration.headSize
    hiddenSize = configuration.hiddenSize
  }

  /// An empty cache for the same blocks, of the same type.
  private init(_ other: KeyValueCache, maximumLength: Int) {
    precondition(maximumLength > 0, "a cache holds at least one token")
    blocks = other.blocks
    type = other.type
    self.maximumLength = maximumLength
    capacity = type.capacity(for: maximumLength)
    headCount = other.headCount
    headSize = other.headSize
    hiddenSize = other.hiddenSize
  }

  /// Tokens it holds.
  public var position: Int { state.withLock { $0.position } }

  /// Bytes of keys and values that a token takes.
  private var bytesPerToken: Int {
    blocks.count * 2 * hiddenSize * type.size
  }

  /// Bytes it reserves.
  public var byteCount: Int {
    let (bytes, overflow) = bytesPerToken.multipliedReportingOverflow(by: capacity)
    return overflow ? .max : bytes
  }

  /// Bytes in use by the tokens it holds.
  public var usedByteCount: Int { bytesPerToken * position }

  /// Reserves the memory, once; throws ``CacheError/noMemory(bytes:)`` where the system has none.
  func allocate() throws(CacheError) {
    try state.withLock { _ throws(CacheError) in
      if memory == nil {
        memory = try CacheMemory(byteCount: byteCount, heads: blocks.count * headCount)
      }
    }
  }

  /// Forgets the tokens from `position` on; throws when there are fewer, or a pass is under way.
  public func truncate(to position: Int) throws(CacheError) {
    try state.withLock { state throws(CacheError) in
      guard !state.isReserved else { throw .busy }
      guard (0...state.position).contains(position) else {
        throw .beyondPosition(requested: position, position: state.position)
      }
      state.position = position
    }
  }

  /// Copies the first tokens into another cache of the same blocks and type.
  ///
  /// A pass that appends to this cache meanwhile does no harm: it writes behind its position only, and may make the
  /// bound of the keys' lengths greater than these tokens need.
  /// - Parameters:
  ///   - tokens: How many are copied.
  ///   - maximumLength: Tokens that the copy can hold; at least `tokens`, and one.
  /// - Throws: ``CacheError`` when this cache holds fewer, or the copy fewer or no memory.
  package func copy(of tokens: Int, maximumLength: Int) throws(CacheError) -> KeyValueCache {
    let position = position
    guard (0...position).contains(tokens) else {
      throw .beyondPosition(requested: tokens, position: position)
    }
    let copy = KeyValueCache(self, maximumLength: maximumLength)
    _ = try copy.reserve(tokens)
    for plane in 0..<2 * blocks.count where tokens > 0 {
      for head in 0..<headCount {
        copyRun(plane, head, tokens: tokens, to: copy.run(plane, head))
        if plane.isMultiple(of: 2) {
          copy.longestKey(block: plane / 2, head: head).pointee =
            longestKey(block: plane / 2, head: head).pointee
        }
      }
    }
    copy.release(adding: tokens)
    return copy
  }

  /// A cache of its own with the tokens that this one holds.
  ///
  /// Throws ``CacheError`` when a pass is under way, or there is no memory.
  package func copy() throws(CacheError) -> KeyValueCache {
    let position = try reserve(0)
    defer { release(adding: 0) }
    return try copy(of: position, maximumLength: maximumLength)
  }

  /// Reserves the cache for a pass of `tokens` more; returns their first position.
  func reserve(_ tokens: Int) throws(CacheError) -> Int {
    try allocate()
    return try state.withLock { state throws(CacheError) in
      guard !state.isReserved else { throw .busy }
      guard tokens <= maximumLength - state.position else {
        throw .full(position: state.position, tokens: tokens, maximum: maximumLength)
      }
      state.isReserved = true
      return state.position
    }
  }

  /// Ends a pass; `tokens` are now held (none after a failure).
  func release(adding tokens: Int) {
    state.withLock {
      $0.isReserved = false
      $0.position += tokens
    }
  }

  /// The largest length (Euclidean norm) of a head's keys as they are stored, those of forgotten tokens
  /// included.
  func longestKey(block: Int, head: Int) -> UnsafeMutablePointer<Float> {
    claimed.longestKeys + block * headCount + head
  }

  /// [block, key/value, head, token, element], where tokens of keys in 16 bits are panels.
  func run(_ plane: Int, _ head: Int, from token: Int = 0) -> UnsafeMutableRawPointer {
    claimed.pointer + ((plane * headCount + head) * capacity + token) * bytesPerRow
  }

  private var claimed: CacheMemory {
    guard let memory else {
      preconditionFailure("a cache is used in a pass, which claims it first")
    }
    return memory
  }
}

/// Memory of a cache, whose pages the system hands out as they are written.
///
/// A session reserves what it may need at most, which may be more than the machine has: the system
/// is told not to count on it, and what it refuses all the same is an error, not the process's end.
private final class CacheMemory: @unchecked Sendable {
  // Sendable: a cache is claimed by one pass at a time.
  let pointer: UnsafeMutableRawPointer
  /// [block, head]; zero for a head without keys.
  let longestKeys: UnsafeMutablePointer<Float>
  private let byteCount: Int

  init(byteCount: Int, heads: Int) throws(CacheError) {
    guard
      let address = mmap(
        nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
      address != MAP_FAILED
    else { throw .noMemory(bytes: byteCount) }
    self.byteCount = byteCount
    pointer = address
    longestKeys = .allocate(capacity: heads)
    longestKeys.initialize(repeating: 0, count: heads)
  }

  deinit {
    munmap(pointer, byteCount)
    longestKeys.deallocate()
  }
}

/// Why a cache refuses.
public enum CacheError: Error, Hashable, Sendable, CustomStringConvertible {
  case full(position: Int, tokens: Int, maximum: Int)
  case busy
  case beyondPosition(requested: Int, position: Int)
  case otherBlocks(expected: String, found: String)
  /// Pages of a cache of one type were to be written to a cache of another one.
  case otherType(expected: CacheType, found: CacheType)
  /// A key or a value whose elements have magnitudes up to this one does not fit 16 bits.
  case beyondRange(Float)
  /// The system has no memory for a cache of so many bytes.
  case noMemory(bytes: Int)

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
    case .otherType(let expected, let found):
      "cache of \(expected.rawValue) cannot take pages of \(found.rawValue)"
    case .beyondRange(let magnitude):
      "cache of f16: a key or a value of magnitude \(magnitude) does not fit (at most 65504); take a cache "
        + "of f32"
    case .noMemory(let bytes):
      "cache: no memory for \(bytes) bytes; ask for fewer tokens"
    }
  }
}
