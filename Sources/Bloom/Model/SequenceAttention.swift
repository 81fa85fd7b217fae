import BloomKernels

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
