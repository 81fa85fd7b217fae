extension WeightMatrix {
  /// dx [tokens, columns] = dy [tokens, rows] times the matrix: the gradient of ``multiply``.
  func multiplyTransposed(
    _ dy: UnsafePointer<Float>, tokens: Int, into dx: UnsafeMutablePointer<Float>,
    on pool: ComputePool = .shared
  ) {
    guard let parts = parts(tokens, across: columns, on: pool) else {
      return computeTransposed(0..<columns, dy, tokens, dx)
    }
    pool.parallel(parts) { part in
      computeTransposed(range(part, of: parts, across: columns), dy, tokens, dx)
    }
  }

  private func computeTransposed(
    _ range: Range<Int>, _ dy: UnsafePointer<Float>, _ tokens: Int,
    _ dx: UnsafeMutablePointer<Float>
  ) {
    let width = range.count
    if elementType == .f32 {
      let weights = address(0, range.lowerBound).assumingMemoryBound(to: Float.self)
      BLAS.multiply(
        tokens, width, rows, dy, rows, weights, columns, dx + range.lowerBound, columns)
      return
    }
    precondition(width <= TileStore.capacity, "a row longer than a tile")
    let height = TileStore.capacity / width
    TileStore.withTile { tile in
      for row in stride(from: 0, to: rows, by: height) {
        let count = min(height, rows - row)
        copyTile(row..<row + count, range, into: tile.pointer)
        BLAS.multiply(
          tokens, width, count, dy + row, rows, tile.pointer, width, beta: row == 0 ? 0 : 1,
          dx + range.lowerBound, columns)
      }
    }
  }
}
