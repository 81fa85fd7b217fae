/// A run of a model's blocks, as a node serves them: never empty, never outside the model.
public struct LayerRange: Hashable, Sendable, CustomStringConvertible {
  /// The first block.
  public let lowerBound: Int
  /// One past the last block.
  public let upperBound: Int
  /// Blocks of the whole model.
  public let layerCount: Int

  /// Blocks in the range.
  public var count: Int { upperBound - lowerBound }

  /// The blocks' indices.
  public var indices: Range<Int> { lowerBound..<upperBound }

  /// Whether these are all of the model's blocks.
  public var isWholeModel: Bool { count == layerCount }

  /// First and last block, as in `0-11`.
  public var description: String { "\(lowerBound)-\(upperBound - 1)" }

  /// Half-open `range` of a model with `layerCount` blocks.
  public init(_ range: Range<Int>, of layerCount: Int) throws(LayerRangeError) {
    let text = "\(range.lowerBound)-\(range.upperBound - 1)"
    guard !range.isEmpty else { throw .empty(text) }
    guard range.lowerBound >= 0, range.upperBound <= layerCount else {
      throw .outsideModel(text, layerCount: layerCount)
    }
    lowerBound = range.lowerBound
    upperBound = range.upperBound
    self.layerCount = layerCount
  }

  /// All blocks of a model with `layerCount`, which must be positive.
  public init(all layerCount: Int) {
    precondition(layerCount > 0, "a model has at least one block")
    lowerBound = 0
    upperBound = layerCount
    self.layerCount = layerCount
  }

  /// `0-11` (first and last block) or `7` (one block).
  public init(parsing text: String, of layerCount: Int) throws(LayerRangeError) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { part in
      part.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        ? Int(part) : nil
    }
    guard numbers.count == parts.count, (1...2).contains(numbers.count),
      let first = numbers.first, let last = numbers.last, last < Int.max
    else { throw .malformed(text) }
    guard first <= last else { throw .reversed(text) }
    try self.init(first..<last + 1, of: layerCount)
  }

  /// Cuts a model into `nodes` runs whose lengths differ by at most one.
  public static func split(
    layerCount: Int, into nodes: Int
  ) throws(LayerRangeError) -> [LayerRange] {
    guard nodes >= 1, nodes <= layerCount else {
      throw .impossibleSplit(nodes: nodes, layerCount: layerCount)
    }
    var ranges: [LayerRange] = []
    for node in 0..<nodes {
      let lower = layerCount * node / nodes
      let upper = layerCount * (node + 1) / nodes
      ranges.append(try LayerRange(lower..<upper, of: layerCount))
    }
    return ranges
  }

  /// Requires that `ranges`, in this order, cover every block of a model exactly once.
  public static func requireCover(_ ranges: [LayerRange]) throws(LayerRangeError) {
    guard let layerCount = ranges.first?.layerCount else { throw .noRanges }
    var next = 0
    for range in ranges {
      guard range.layerCount == layerCount else {
        throw .outsideModel("\(range)", layerCount: layerCount)
      }
      if range.lowerBound > next { throw .gap(missing: next..<range.lowerBound) }
      if range.lowerBound < next { throw .overlap("\(range)", alreadyCovered: next) }
      next = range.upperBound
    }
    if next < layerCount { throw .gap(missing: next..<layerCount) }
  }
}

/// Why a run of blocks, or a set of runs, is refused.
public enum LayerRangeError: Error, Hashable, Sendable, CustomStringConvertible {
  case malformed(String)
  case reversed(String)
  case empty(String)
  case outsideModel(String, layerCount: Int)
  case impossibleSplit(nodes: Int, layerCount: Int)
  case noRanges
  case gap(missing: Range<Int>)
  case overlap(String, alreadyCovered: Int)

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .malformed(let text):
      "block range \"\(text)\": expected FIRST-LAST, as in 0-11"
    case .reversed(let text):
      "block range \(text): reversed; the first block comes first"
    case .empty(let text):
      "block range \(text): holds no block"
    case .outsideModel(let text, let layerCount):
      "block range \(text): the model has blocks 0-\(layerCount - 1)"
    case .impossibleSplit(let nodes, let layerCount):
      "\(layerCount) blocks cannot be split over \(nodes) nodes; use 1 to \(layerCount)"
    case .noRanges:
      "no block range was given"
    case .gap(let missing):
      "gap: no range holds blocks \(missing.lowerBound)-\(missing.upperBound - 1)"
    case .overlap(let text, let covered):
      "overlap: block range \(text) repeats blocks before \(covered)"
    }
  }
}
