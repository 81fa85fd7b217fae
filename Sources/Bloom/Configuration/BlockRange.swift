/// A run of a model's blocks, as a node serves them: never empty, never outside the model.
public struct BlockRange: Hashable, Sendable, CustomStringConvertible {
  /// The first block.
  public let lowerBound: Int
  /// One past the last block.
  public let upperBound: Int
  /// Blocks of the whole model.
  public let blockCount: Int

  /// Blocks in the range.
  public var count: Int { upperBound - lowerBound }

  /// The blocks' indices.
  public var indices: Range<Int> { lowerBound..<upperBound }

  /// Whether these are all of the model's blocks.
  public var isWholeModel: Bool { count == blockCount }

  /// First and last block, as in `0-11`.
  public var description: String { "\(lowerBound)-\(upperBound - 1)" }

  /// Half-open `range` of a model with `blockCount` blocks.
  public init(_ range: Range<Int>, of blockCount: Int) throws(BlockRangeError) {
    let text = "\(range.lowerBound)-\(range.upperBound - 1)"
    guard !range.isEmpty else { throw .empty(text) }
    guard range.lowerBound >= 0, range.upperBound <= blockCount else {
      throw .outsideModel(text, blockCount: blockCount)
    }
    lowerBound = range.lowerBound
    upperBound = range.upperBound
    self.blockCount = blockCount
  }

  /// All blocks of a model with `blockCount`, which must be positive.
  public init(all blockCount: Int) {
    precondition(blockCount > 0, "a model has at least one block")
    lowerBound = 0
    upperBound = blockCount
    self.blockCount = blockCount
  }

  /// `0-11` (first and last block) or `7` (one block).
  public init(parsing text: String, of blockCount: Int) throws(BlockRangeError) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { part in
      part.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        ? Int(part) : nil
    }
    guard numbers.count == parts.count, (1...2).contains(numbers.count),
      let first = numbers.first, let last = numbers.last, last < Int.max
    else { throw .malformed(text) }
    guard first <= last else { throw .reversed(text) }
    try self.init(first..<last + 1, of: blockCount)
  }

  /// Cuts a model into `nodes` runs whose lengths differ by at most one.
  public static func split(
    blockCount: Int, into nodes: Int
  ) throws(BlockRangeError) -> [BlockRange] {
    guard nodes >= 1, nodes <= blockCount else {
      throw .impossibleSplit(nodes: nodes, blockCount: blockCount)
    }
    var ranges: [BlockRange] = []
    for node in 0..<nodes {
      let lower = blockCount * node / nodes
      let upper = blockCount * (node + 1) / nodes
      ranges.append(try BlockRange(lower..<upper, of: blockCount))
    }
    return ranges
  }

  /// Requires that `ranges`, in this order, cover every block of a model exactly once.
  public static func validateCoverage(_ ranges: [BlockRange]) throws(BlockRangeError) {
    guard let blockCount = ranges.first?.blockCount else { throw .noRanges }
    var next = 0
    for range in ranges {
      guard range.blockCount == blockCount else {
        throw .outsideModel("\(range)", blockCount: blockCount)
      }
      if range.lowerBound > next { throw .gap(missing: next..<range.lowerBound) }
      if range.lowerBound < next { throw .overlap("\(range)", alreadyCovered: next) }
      next = range.upperBound
    }
    if next < blockCount { throw .gap(missing: next..<blockCount) }
  }
}

/// Why a run of blocks, or a set of runs, is refused.
public enum BlockRangeError: Error, Hashable, Sendable, CustomStringConvertible {
  case malformed(String)
  case reversed(String)
  case empty(String)
  case outsideModel(String, blockCount: Int)
  case impossibleSplit(nodes: Int, blockCount: Int)
  case noRanges
  case gap(missing: Range<Int>)
  case overlap(String, alreadyCovered: Int)

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .malformed(let text): "block range \"\(text)\": expected FIRST-LAST, as in 0-11"
    case .reversed(let text):
      "block range \(text): reversed; the first block comes first"
    case .empty(let text): "block range \(text): holds no block"
    case .outsideModel(let text, let blockCount):
      "block range \(text): the model has blocks 0-\(blockCount - 1)"
    case .impossibleSplit(let nodes, let blockCount):
      "\(blockCount) blocks cannot be split over \(nodes) nodes; use 1 to \(blockCount)"
    case .noRanges: "no block range was given"
    case .gap(let missing):
      "gap: no range holds blocks \(missing.lowerBound)-\(missing.upperBound - 1)"
    case .overlap(let text, let covered):
      "overlap: block range \(text) repeats blocks before \(covered)"
    }
  }
}
