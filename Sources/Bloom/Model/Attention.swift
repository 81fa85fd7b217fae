import BloomKernels

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
