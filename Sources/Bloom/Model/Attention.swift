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
  func apply(_ workspace: Workspace, _ segments: [Segment], block: Int) {
    for segment in segments {
      store(workspace, segment, block)
      let length = segment.position + segment.rows.count
      let isProduct = segment.rows.count >= Self.productThreshold
      let perHead = isProduct ? segment.rows.count * length : length
      let scores = workspace.scores(headCount * perHead)
      let work = 2 * segment.rows.count * length * headSize * headCount
      if work < WeightMatrix.parallelThreshold {
        for head in 0..<headCount {
          attend(workspace, segment, block, head, scores.pointer + head * perHead, isProduct)
        }
      } else {
        ComputePool.shared.parallel(headCount) { [self] head in
          attend(workspace, segment, block, head, scores.pointer + head * perHead, isProduct)
        }
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

  private func store(_ workspace: Workspace, _ segment: Segment, _ block: Int) {
    for head in 0..<headCount {
      let keys = segment.cache.keys(block: block, head: head)
      let values = segment.cache.values(block: block, head: head)
      for (offset, row) in segment.rows.enumerated() {
        let source = query(workspace, row, head)
        let target = (segment.position + offset) * headSize
        (keys + target).update(from: source + headSize, count: headSize)
        (values + target).update(from: source + 2 * headSize, count: headSize)
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
    let keys = segment.cache.keys(block: block, head: head)
    let values = segment.cache.values(block: block, head: head)
    for (offset, row) in segment.rows.enumerated() {
      bloom_attend(
        query(workspace, row, head), keys, values, segment.position + offset + 1, headSize, scale,
        slopes[head], scores, context(workspace, row, head))
    }
  }

  private func attendAll(
    _ workspace: Workspace, _ segment: Segment, _ block: Int, _ head: Int,
    _ scores: UnsafeMutablePointer<Float>
  ) {
    let rows = segment.rows.count
    let length = segment.position + rows
    let width = headCount * headSize
    BLAS.multiply(
      rows, length, headSize, query(workspace, segment.rows.lowerBound, head), 3 * width,
      segment.cache.keys(block: block, head: head), headSize, transposing: true, scores, length)
    bloom_causal_softmax(scores, rows, length, segment.position, scale, slopes[head])
    BLAS.multiply(
      rows, headSize, length, scores, length, segment.cache.values(block: block, head: head),
      headSize, context(workspace, segment.rows.lowerBound, head), width)
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
      BLAS.multiply(
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
      BLAS.multiply(
        tokens, headSize, tokens, p, tokens, transposingFirst: true, dc, width,
        dQuery + 2 * headSize, stride)
      BLAS.multiply(
        tokens, tokens, headSize, dc, width, query + 2 * headSize, stride, transposing: true, ds,
        tokens)
      bloom_causal_softmax_backward(p, ds, tokens, tokens, scale)
      BLAS.multiply(
        tokens, headSize, tokens, ds, tokens, query + headSize, stride, dQuery, stride)
      BLAS.multiply(
        tokens, headSize, tokens, ds, tokens, transposingFirst: true, query, stride,
        dQuery + headSize, stride)
    }
  }

  private func attend(_ query: UnsafePointer<Float>, _ head: Int) {
    BLAS.multiply(
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

  private static func slope(_ position: Int, of count: Int) -> Float {
    Float(pow(2, -8 * Double(position) / Double(count)))
  }
}
