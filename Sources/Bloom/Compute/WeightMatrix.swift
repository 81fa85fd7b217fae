import BloomKernels

/// A stored matrix [rows, columns], used in place in the element type it has in its file.
///
/// Few vectors go through a kernel that converts weights in registers, because reading them is then
/// what costs; many go through the BLAS, half-precision weights in tiles that are converted first.
struct WeightMatrix: Sendable {
  /// What happens to a product before it is handed on, in the same pass over it.
  enum Finish {
    case nothing
    case gelu
    /// Adds rows of the product's own shape.
    case adding(UnsafePointer<Float>)
  }

  /// From this many vectors on, the BLAS is faster than the kernels.
  static let tileThreshold = 24
  /// Below this many multiplications, another thread's help costs more than it brings.
  static let parallelThreshold = 1 << 18
  /// Bytes of weights that one thread takes at a time, about a tenth of a millisecond's work.
  private static let largestPart = 2 << 20

  let rows: Int
  let columns: Int
  let elementType: ElementType
  /// Keeps `base` valid: the mapped file, or an aligned copy.
  private let owner: any Sendable & AnyObject
  private nonisolated(unsafe) let base: UnsafeRawPointer

  /// A tensor [rows, columns] of a weight type.
  init(_ tensor: StoredTensor) {
    precondition(tensor.shape.count == 2, "\(tensor.name) is not a matrix")
    let element = tensor.type.elementType ?? .f32
    rows = tensor.shape[0]
    columns = tensor.shape[1]
    guard let address = tensor.bytes.baseAddress,
      Int(bitPattern: address).isMultiple(of: element.size)
    else {
      // A file may put a tensor at an odd address; such a one is copied, as floats.
      let copy = FloatBuffer(tensor)
      owner = copy
      base = UnsafeRawPointer(copy.pointer)
      elementType = .f32
      return
    }
    owner = tensor.file
    base = address
    elementType = element
  }

  /// y [tokens, rows] = x [tokens, columns] times the transposed matrix, plus `bias` [rows].
  func multiply(
    _ x: UnsafePointer<Float>, tokens: Int, bias: UnsafePointer<Float>?,
    into y: UnsafeMutablePointer<Float>, then finish: Finish = .nothing,
    on pool: ComputePool = .shared
  ) {
    let parts = parts(tokens: tokens, across: rows, on: pool)
    if parts == 1 {
      compute(0..<rows, x, tokens, bias, y, finish)
    } else {
      pool.parallel(parts) { part in
        compute(share(part, of: parts, across: rows), x, tokens, bias, y, finish)
      }
    }
  }

  /// dx [tokens, columns] = dy [tokens, rows] times the matrix: the gradient of ``multiply``.
  func multiplyTransposed(
    _ dy: UnsafePointer<Float>, tokens: Int, into dx: UnsafeMutablePointer<Float>,
    on pool: ComputePool = .shared
  ) {
    let parts = parts(tokens: tokens, across: columns, on: pool)
    if parts == 1 {
      computeTransposed(0..<columns, dy, tokens, dx)
    } else {
      pool.parallel(parts) { part in
        computeTransposed(share(part, of: parts, across: columns), dy, tokens, dx)
      }
    }
  }

  /// One row, converted.
  func copyRow(_ row: Int, into target: UnsafeMutablePointer<Float>) {
    bloom_to_float(elementType.kernelElement, address(row, 0), columns, target)
  }
}

extension WeightMatrix {
  private func parts(tokens: Int, across extent: Int, on pool: ComputePool) -> Int {
    let work = rows * columns * tokens
    guard work >= Self.parallelThreshold, pool.threads > 1 else { return 1 }
    // More parts than threads, and none too large, so that a thread that was interrupted does not
    // hold up the rest for long.
    let most = max(4 * pool.threads, rows * columns * elementType.size / Self.largestPart)
    return min(work / (Self.parallelThreshold / 2), most, max(1, extent / 16))
  }

  /// A part's rows (or columns), in multiples of 16: whole cache lines of the result.
  private func share(_ part: Int, of parts: Int, across extent: Int) -> Range<Int> {
    let blocks = (extent + 15) / 16
    return min(extent, blocks * part / parts * 16)..<min(extent, blocks * (part + 1) / parts * 16)
  }

  private func address(_ row: Int, _ column: Int) -> UnsafeRawPointer {
    base + (row * columns + column) * elementType.size
  }

  private func compute(
    _ range: Range<Int>, _ x: UnsafePointer<Float>, _ tokens: Int, _ bias: UnsafePointer<Float>?,
    _ y: UnsafeMutablePointer<Float>, _ finish: Finish
  ) {
    if tokens >= Self.tileThreshold {
      spread(bias, range, tokens, y)
      if elementType == .f32 {
        let weights = address(range.lowerBound, 0).assumingMemoryBound(to: Float.self)
        product(weights, range, x, tokens, y)
      } else {
        tiled(range, x, tokens, y)
      }
    } else {
      bloom_matrix_vectors(
        elementType.kernelElement, address(range.lowerBound, 0), range.count, columns, x, columns,
        tokens, bias.map { $0 + range.lowerBound }, y + range.lowerBound, rows)
    }
    end(range, tokens, y, finish)
  }

  /// The result starts as the bias, onto which products are added.
  private func spread(
    _ bias: UnsafePointer<Float>?, _ range: Range<Int>, _ tokens: Int,
    _ y: UnsafeMutablePointer<Float>
  ) {
    for token in 0..<tokens {
      let target = y + token * rows + range.lowerBound
      if let bias {
        target.update(from: bias + range.lowerBound, count: range.count)
      } else {
        target.update(repeating: 0, count: range.count)
      }
    }
  }

  private func product(
    _ weights: UnsafePointer<Float>, _ range: Range<Int>, _ x: UnsafePointer<Float>, _ tokens: Int,
    _ y: UnsafeMutablePointer<Float>
  ) {
    BLAS.multiply(
      tokens, range.count, columns, x, columns, weights, columns, transposing: true, beta: 1,
      y + range.lowerBound, rows)
  }

  private func tiled(
    _ range: Range<Int>, _ x: UnsafePointer<Float>, _ tokens: Int,
    _ y: UnsafeMutablePointer<Float>
  ) {
    // A row longer than a tile is cut as well.
    let width = min(columns, TileStore.capacity)
    let height = max(1, TileStore.capacity / width)
    TileStore.withTile { tile in
      for row in stride(from: range.lowerBound, to: range.upperBound, by: height) {
        let count = min(height, range.upperBound - row)
        for column in stride(from: 0, to: columns, by: width) {
          let span = min(width, columns - column)
          bloom_tile_to_float(
            elementType.kernelElement, address(row, column), count, span, columns, tile.pointer)
          BLAS.multiply(
            tokens, count, span, x + column, columns, tile.pointer, span, transposing: true,
            beta: 1, y + row, rows)
        }
      }
    }
  }

  private func end(
    _ range: Range<Int>, _ tokens: Int, _ y: UnsafeMutablePointer<Float>, _ finish: Finish
  ) {
    // A whole row range is one run of memory.
    let runs = range.count == rows ? 1 : tokens
    let length = range.count == rows ? tokens * rows : range.count
    for run in 0..<runs {
      let offset = run * rows + range.lowerBound
      switch finish {
      case .nothing: return
      case .gelu: bloom_gelu(y + offset, length)
      case .adding(let other): bloom_add(other + offset, length, y + offset)
      }
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
        bloom_tile_to_float(
          elementType.kernelElement, address(row, range.lowerBound), count, width, columns,
          tile.pointer)
        BLAS.multiply(
          tokens, width, count, dy + row, rows, tile.pointer, width, beta: row == 0 ? 0 : 1,
          dx + range.lowerBound, columns)
      }
    }
  }
}
