import BloomKernels
import Foundation

/// Multi-head attention with ALiBi over cached keys and values.
struct Attention: Sendable {
  /// A run of consecutive tokens of one session within a pass.
  struct Segment: Sendable {
    let cache: KeyValueCache
    /// Rows of the pass.
    let rows: Range<Int>
    /// The first row's position in the session.
    let position: Int
  }

  /// From this many tokens on, products of whole heads are faster than one query at a time.
  private static let productThreshold = 8
  /// From so many multiplications on, another thread's help pays: sooner than with weights, whose elements
  /// mostly take fewer bytes to read than those of keys and values in f32.
  private static let parallelThreshold = WeightMatrix.parallelThreshold / 2

  private let headCount: Int
  private let headSize: Int
  private let scale: Float
  private let slopes: [Float]

  init(_ configuration: BloomConfiguration) {
    headCount = configuration.headCount
    headSize = configuration.headSize
    scale = 1 / Float(configuration.headSize).squareRoot()
    slopes = ALiBi.slopes(headCount: configuration.headCount)
  }

  /// Reads `workspace.queryKeyValue`, appends keys and values to the caches of `block` (counted
  /// from the cache's first), and writes `workspace.context`.
  ///
  /// - Throws: ``CacheError/beyondRange(_:)``.
  func apply(
    _ workspace: Workspace, _ segments: [Segment], block: Int
  ) throws(CacheError) {
    for segment in segments {
      try store(workspace, segment, block)
      let length = segment.position + segment.rows.count
      let isProduct = segment.rows.count >= Self.productThreshold
      let perHead = isProduct ? segment.rows.count * length : CacheType.f16.capacity(for: length)
      let scores = workspace.scores(headCount * perHead)
      let work = 2 * segment.rows.count * length * headSize * headCount
      guard work >= Self.parallelThreshold else {
        for head in 0..<headCount {
          attend(workspace, segment, block, head, scores.pointer + head * perHead, isProduct)
        }
        continue
      }
      let attendHead = { [self] (head: Int) in
        attend(workspace, segment, block, head, scores.pointer + head * perHead, isProduct)
      }
      if work <= ComputePool.smallWork {
        ComputePool.shared.parallelIfFaster(headCount, work: work, attendHead)
      } else {
        ComputePool.shared.parallel(headCount, attendHead)
      }
    }
  }

  private func attend(
    _ workspace: Workspace, _ segment: Segment, _ block: Int, _ head: Int,
    _ scores: UnsafeMutablePointer<Float>, _ isProduct: Bool
  ) {
    if isProduct {
      attendAll(workspace, segment, block, head, scores)
    } else {
      attendEach(workspace, segment, block, head, scores)
    }
  }

  private func store(
    _ workspace: Workspace, _ segment: Segment, _ block: Int
  ) throws(CacheError) {
    for head in 0..<headCount {
      for (offset, row) in segment.rows.enumerated() {
        let query = query(workspace, row, head)
        try segment.cache.store(
          key: query + headSize, value: query + 2 * headSize, block: block, head: head,
          token: segment.position + offset)
      }
    }
  }

  private func query(
    _ workspace: Workspace, _ row: Int, _ head: Int
  ) -> UnsafeMutablePointer<Float> {
    workspace.queryKeyValue.pointer + (row * headCount + head) * 3 * headSize
  }

  private func context(
    _ workspace: Workspace, _ row: Int, _ head: Int
  ) -> UnsafeMutablePointer<Float> {
    workspace.context.pointer + (row * headCount + head) * headSize
  }

  private func attendEach(
    _ workspace: Workspace, _ segment: Segment, _ block: Int, _ head: Int,
    _ scores: UnsafeMutablePointer<Float>
  ) {
    let cache = segment.cache
    for (offset, row) in segment.rows.enumerated() {
      let position = segment.position + offset
      let query = query(workspace, row, head)
      let first = firstKey(norm(query), position, segment, block, head)
      bloom_attend(
        cache.type.element, query, cache.keys(block: block, head: head, from: first),
        cache.values(block: block, head: head, from: first), position - first + 1, headSize,
        scale, slopes[head], scores, context(workspace, row, head))
    }
  }

  private func attendAll(
    _ workspace: Workspace, _ segment: Segment, _ block: Int, _ head: Int,
    _ scores: UnsafeMutablePointer<Float>
  ) {
    let width = headCount * headSize
    let rows = segment.rows
    let longest = rows.reduce(Float(0)) { longest, row in
      ALiBi.longer(longest, norm(query(workspace, row, head)))
    }
    let first = firstKey(longest, segment.position, segment, block, head)
    let cache = segment.cache
    bloom_attend_rows(
      cache.type.element, query(workspace, rows.lowerBound, head), 3 * width, rows.count,
      cache.keys(block: block, head: head, from: first),
      cache.values(block: block, head: head, from: first), segment.position - first, headSize,
      scale, slopes[head], scores, context(workspace, rows.lowerBound, head), width)
  }

  private func norm(_ vector: UnsafePointer<Float>) -> Float {
    bloom_dot(vector, vector, headSize).squareRoot()
  }

  /// The first key that counts for queries up to a length, the first of them at a position.
  private func firstKey(
    _ length: Float, _ position: Int, _ segment: Segment, _ block: Int, _ head: Int
  ) -> Int {
    let longest = segment.cache.longestKey(block: block, head: head).pointee
    return ALiBi.firstKey(
      position: position, slope: slopes[head], largestScore: scale * length * longest)
  }
}

/// Attention over one whole sequence without a cache, and its gradient.
final class SequenceAttention {
  private let tokens: Int
  private let headCount: Int
  private let headSize: Int
  private let scale: Float
  private let slopes: [Float]
  /// [tokens, tokens], one head at a time.
  private let probabilities: FloatBuffer
  private let dScores: FloatBuffer

  init(_ configuration: BloomConfiguration, tokens: Int) {
    self.tokens = tokens
    headCount = configuration.headCount
    headSize = configuration.headSize
    scale = 1 / Float(configuration.headSize).squareRoot()
    slopes = ALiBi.slopes(headCount: configuration.headCount)
    probabilities = FloatBuffer(count: tokens * tokens)
    dScores = FloatBuffer(count: tokens * tokens)
  }

  /// Elements between two tokens' rows of queries, keys and values.
  private var stride: Int { 3 * headCount * headSize }
  private var width: Int { headCount * headSize }

  /// `context` [tokens, hidden] of `queryKeyValue` [tokens, heads, 3, head size].
  func forward(_ queryKeyValue: FloatBuffer, into context: FloatBuffer) {
    for head in 0..<headCount {
      let query = queryKeyValue.pointer + head * 3 * headSize
      attend(query, head)
      FloatProduct.multiply(
        tokens, headSize, tokens, probabilities.pointer, tokens, query + 2 * headSize, stride,
        context.pointer + head * headSize, width)
    }
  }

  /// The gradient of queries, keys and values for that of the context.
  func backward(
    _ queryKeyValue: FloatBuffer, dContext: FloatBuffer, into dQueryKeyValue: FloatBuffer
  ) {
    let p = probabilities.pointer
    let ds = dScores.pointer
    for head in 0..<headCount {
      let query = queryKeyValue.pointer + head * 3 * headSize
      let dQuery = dQueryKeyValue.pointer + head * 3 * headSize
      let dc = dContext.pointer + head * headSize
      attend(query, head)
      // dV = Pᵀ dC, dP = dC Vᵀ, dQ = dS K, dK = dSᵀ Q; the scale is part of dS.
      FloatProduct.multiply(
        tokens, headSize, tokens, p, tokens, transposingFirst: true, dc, width,
        dQuery + 2 * headSize, stride)
      FloatProduct.multiply(
        tokens, tokens, headSize, dc, width, query + 2 * headSize, stride, transposing: true, ds,
        tokens)
      bloom_causal_softmax_backward(p, ds, tokens, tokens, scale)
      FloatProduct.multiply(
        tokens, headSize, tokens, ds, tokens, query + headSize, stride, dQuery, stride)
      FloatProduct.multiply(
        tokens, headSize, tokens, ds, tokens, transposingFirst: true, query, stride,
        dQuery + headSize, stride)
    }
  }

  private func attend(_ query: UnsafePointer<Float>, _ head: Int) {
    FloatProduct.multiply(
      tokens, tokens, headSize, query, stride, query + headSize, stride, transposing: true,
      probabilities.pointer, tokens)
    bloom_causal_softmax(probabilities.pointer, tokens, tokens, 0, scale, slopes[head])
  }
}

/// The slopes by which attention scores grow with a key's position.
///
/// Source: Press, Smith, Lewis, "Train Short, Test Long" (2022), in the form BLOOM uses
/// (Numerics.md, The model).
public enum ALiBi {
  /// One slope for each head.
  ///
  /// A power of two n gives 2^(-8(i+1)/n); any other n takes the slopes of the power of two p below
  /// it, then those of 2p at its even positions (1st, 3rd, …) until there are n.
  public static func slopes(headCount: Int) -> [Float] {
    precondition(headCount > 0, "at least one head")
    let power = 1 << (Int.bitWidth - 1 - headCount.leadingZeroBitCount)
    let regular = (1...power).map { slope($0, of: power) }
    let extra = (0..<headCount - power).map { slope(2 * $0 + 1, of: 2 * power) }
    return regular + extra
  }

  /// The greater of two vectors' lengths; no number where either is none, so that no key is passed over then.
  package static func longer(_ first: Float, _ second: Float) -> Float {
    second > first || second.isNaN ? second : first
  }

  /// The first key whose probability can be other than zero for a query at a position.
  ///
  /// The kernels count a probability below e^-60 of the largest as zero. A score differs from that of the
  /// query's own position by at most twice the largest magnitude of a score without its ALiBi term, and
  /// falls by the slope with each position. A multiple of 16, so that the kernels sum up the rest in the
  /// same order as with all keys before it, and keys in 16 bits begin with a whole panel.
  /// - Parameter largestScore: A bound of the scores' magnitudes without their ALiBi terms.
  package static func firstKey(position: Int, slope: Float, largestScore: Float) -> Int {
    let distance = (61 + 2.01 * largestScore) / slope
    // False for what is not a number.
    guard distance < Float(position) else { return 0 }
    return max(0, position - Int(distance) - 1) / 16 * 16
  }

  private static func slope(_ position: Int, of count: Int) -> Float {
    Float(pow(2, -8 * Double(position) / Double(count)))
  }
}
