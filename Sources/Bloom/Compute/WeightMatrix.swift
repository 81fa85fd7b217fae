import BloomKernels

/// A stored matrix [rows, columns], used in place in the element type it has in its file.
///
/// A kernel converts weights in registers or in the nearest cache, once for several vectors. Where the
/// BLAS is faster, it takes weights other than float32 in tiles that are converted first.
package struct WeightMatrix: Sendable {
  package let rows: Int
  package let columns: Int
  package let elementType: ElementType
  /// Keeps `base` valid: the mapped file, or an aligned copy.
  private let owner: any Sendable & AnyObject
  private nonisolated(unsafe) let base: UnsafeRawPointer
  /// The scales of quantized weights.
  private let scales: WeightScales?

  /// A tensor [rows, columns] of a checked checkpoint; `scales` are those of quantized weights.
  init(_ tensor: StoredTensor, scales: StoredTensor?) {
    precondition(tensor.shape.count == 2, "\(tensor.name) is not a matrix")
    let element = tensor.elementType
    precondition(
      (QuantizedLayout.of(tensor.type) != nil) == (scales != nil),
      "\(tensor.name): scales are for integers")
    rows = tensor.shape[0]
    columns = tensor.shape[1]
    self.scales = scales.map(WeightScales.init)
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

  /// Bytes of weights.
  var byteCount: Int { rows * elementType.byteCount(ofRow: columns) }

  /// Where an element lies; of 4-bit weights, those of a whole row begin there.
  func address(_ row: Int, _ column: Int) -> UnsafeRawPointer {
    base + row * elementType.byteCount(ofRow: columns) + column * elementType.size
  }

  /// The weights from a row on, as what they are in memory.
  func weights<Stored>(from row: Int, as type: Stored.Type) -> UnsafePointer<Stored> {
    address(row, 0).assumingMemoryBound(to: type)
  }

  /// The scales from a row on, as what they are in memory; only quantized weights have any.
  func scales<Stored>(from row: Int, as type: Stored.Type) -> UnsafePointer<Stored>? {
    scales.map {
      $0.base.assumingMemoryBound(to: type) + row * QuantizedLayout.groups(columns)
    }
  }

  /// One row, converted.
  func copyRow(_ row: Int, into target: UnsafeMutablePointer<Float>) {
    copyTile(row..<row + 1, 0..<columns, into: target)
  }

  /// Some rows of some columns as a dense matrix of floats.
  func copyTile(
    _ rows: Range<Int>, _ columns: Range<Int>, into target: UnsafeMutablePointer<Float>
  ) {
    switch elementType {
    case .q8:
      bloom_q8_to_float(
        weights(from: 0, as: Int8.self), scales(from: 0, as: Float.self), self.columns,
        rows.lowerBound, rows.count, columns.lowerBound, columns.count, target)
    case .q4:
      bloom_q4_to_float(
        weights(from: 0, as: UInt8.self), scales(from: 0, as: UInt16.self), self.columns,
        rows.lowerBound, rows.count, columns.lowerBound, columns.count, target)
    case .f32, .f16, .bf16:
      bloom_tile_to_float(
        elementType.kernelElement, address(rows.lowerBound, columns.lowerBound), rows.count,
        columns.count, self.columns, target)
    }
  }
}

/// The scales [rows, groups] of a matrix of quantized weights, in the type that they are stored in.
private struct WeightScales: Sendable {
  /// Keeps `base` valid: the mapped file, or an aligned copy.
  private let owner: any Sendable & AnyObject
  nonisolated(unsafe) let base: UnsafeRawPointer

  init(_ tensor: StoredTensor) {
    if let address = tensor.bytes.baseAddress,
      Int(bitPattern: address).isMultiple(of: tensor.elementType.size)
    {
      owner = tensor.file
      base = address
    } else {
      let copy = FloatBuffer(count: tensor.bytes.count / MemoryLayout<Float>.stride + 1)
      UnsafeMutableRawBufferPointer(start: copy.pointer, count: tensor.bytes.count)
        .copyMemory(from: tensor.bytes)
      owner = copy
      base = UnsafeRawPointer(copy.pointer)
    }
  }
}

extension WeightMatrix {
  /// An operation that is applied to a product in the same pass.
  package enum Epilogue {
    case nothing
    case gelu
    /// Adds rows of the product's own shape.
    case adding(UnsafePointer<Float>)
  }

  /// From this number of vectors on, the BLAS is faster than the kernel: a portable one is no match.
  private static let blasThreshold =
    bloom_used_instructions() == BLOOM_PORTABLE ? 24 : Int.max

  /// How a product is made.
  package enum Kernel: Sendable, CaseIterable {
    case kernel
    case blas
  }

  /// The faster kernel for so many vectors.
  private func fasterKernel(_ tokens: Int) -> Kernel {
    tokens < Self.blasThreshold ? .kernel : .blas
  }

  /// Below this many multiplications, another thread's help costs more than it brings.
  static let parallelThreshold = 1 << 18
  /// Bytes of weights that one thread takes at a time, about a tenth of a millisecond's work.
  private static let largestPart = 2 << 20

  /// y [tokens, rows] = x [tokens, columns] times the transposed matrix, plus `bias` [rows].
  package func multiply(
    _ x: UnsafePointer<Float>, tokens: Int, bias: UnsafePointer<Float>?,
    into y: UnsafeMutablePointer<Float>, then epilogue: Epilogue = .nothing,
    by kernel: Kernel? = nil,
    on pool: ComputePool = .shared
  ) {
    let kernel = kernel ?? fasterKernel(tokens)
    if kernel == .kernel, let kind = tileKind,
      let bytes = PackedVectors.byteCount(kind, tokens: tokens, columns: columns)
    {
      PackedVectors.with(kind, x, tokens: tokens, columns: columns, byteCount: bytes) { packed in
        guard let parts = parts(tokens, across: rows, on: pool) else {
          multiply(packed, kind, 0..<rows, tokens, bias, y)
          return end(0..<rows, tokens, y, epilogue)
        }
        pool.parallel(parts) { part in
          let range = range(part, of: parts, across: rows)
          multiply(packed, kind, range, tokens, bias, y)
          end(range, tokens, y, epilogue)
        }
      }
    } else if scales != nil && kernel == .kernel {
      RoundedVectors.with(x, tokens: tokens, columns: columns) { rounded in
        // Small products are made here, without the cost of a closure that outlives the call.
        guard let parts = parts(tokens, across: rows, on: pool) else {
          multiply(rounded, 0..<rows, tokens, bias, y)
          return end(0..<rows, tokens, y, epilogue)
        }
        pool.parallel(parts) { part in
          let range = range(part, of: parts, across: rows)
          multiply(rounded, range, tokens, bias, y)
          end(range, tokens, y, epilogue)
        }
      }
    } else {
      guard let parts = parts(tokens, across: rows, on: pool) else {
        compute(0..<rows, x, tokens, bias, y, kernel)
        return end(0..<rows, tokens, y, epilogue)
      }
      pool.parallel(parts) { part in
        let range = range(part, of: parts, across: rows)
        compute(range, x, tokens, bias, y, kernel)
        end(range, tokens, y, epilogue)
      }
    }
  }

  /// A part's rows (or columns), in multiples of 16: whole cache lines of the result.
  func range(_ part: Int, of parts: Int, across extent: Int) -> Range<Int> {
    let blocks = (extent + 15) / 16
    return min(extent, blocks * part / parts * 16)..<min(extent, blocks * (part + 1) / parts * 16)
  }

  /// Into how many parts the work is cut; nil when one thread had better do all.
  func parts(_ tokens: Int, across extent: Int, on pool: ComputePool) -> Int? {
    let work = rows * columns * tokens
    guard work >= Self.parallelThreshold, pool.threads > 1 else { return nil }
    // More parts than threads, and none too large, so that a thread that was interrupted does not
    // hold up the rest for long.
    let most = max(4 * pool.threads, byteCount / Self.largestPart)
    return min(work / (Self.parallelThreshold / 2), most, max(1, extent / 16))
  }

  private func compute(
    _ range: Range<Int>, _ x: UnsafePointer<Float>, _ tokens: Int, _ bias: UnsafePointer<Float>?,
    _ y: UnsafeMutablePointer<Float>, _ kernel: Kernel
  ) {
    guard kernel == .blas else {
      return bloom_matrix_vectors(
        elementType.kernelElement, address(range.lowerBound, 0), range.count, columns, x, columns,
        tokens, bias.map { $0 + range.lowerBound }, y + range.lowerBound, rows)
    }
    spread(bias, range, tokens, y)
    if elementType == .f32 {
      BLAS.multiply(
        tokens, range.count, columns, x, columns,
        weights(from: range.lowerBound, as: Float.self), columns, transposing: true, beta: 1,
        y + range.lowerBound, rows)
    } else {
      tiled(range, x, tokens, y)
    }
  }

  /// How tile registers take these weights; nil where they do not.
  private var tileKind: bloom_tiles? {
    switch elementType {
    case .bf16: BLOOM_TILES_BF16
    case .q8: BLOOM_TILES_Q8
    case .f16, .f32, .q4: nil
    }
  }

  private func multiply(
    _ x: PackedVectors, _ kind: bloom_tiles, _ range: Range<Int>, _ tokens: Int,
    _ bias: UnsafePointer<Float>?, _ y: UnsafeMutablePointer<Float>
  ) {
    bloom_tile_product(
      kind, address(range.lowerBound, 0), scales(from: range.lowerBound, as: Float.self),
      range.count, columns, x.bytes, tokens, bias.map { $0 + range.lowerBound },
      y + range.lowerBound, rows)
  }

  private func multiply(
    _ x: RoundedVectors, _ range: Range<Int>, _ tokens: Int, _ bias: UnsafePointer<Float>?,
    _ y: UnsafeMutablePointer<Float>
  ) {
    let (first, count) = (range.lowerBound, range.count)
    if elementType == .q4 {
      bloom_q4_matrix_vectors(
        weights(from: first, as: UInt8.self), scales(from: first, as: UInt16.self), count, columns,
        x.integers, x.steps, tokens, bias.map { $0 + first }, y + first, rows)
    } else {
      bloom_q8_matrix_vectors(
        weights(from: first, as: Int8.self), scales(from: first, as: Float.self), count, columns,
        x.integers, x.steps, tokens, bias.map { $0 + first }, y + first, rows)
    }
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
          copyTile(row..<row + count, column..<column + span, into: tile.pointer)
          BLAS.multiply(
            tokens, count, span, x + column, columns, tile.pointer, span, transposing: true,
            beta: 1, y + row, rows)
        }
      }
    }
  }

  private func end(
    _ range: Range<Int>, _ tokens: Int, _ y: UnsafeMutablePointer<Float>, _ epilogue: Epilogue
  ) {
    // A whole row range is one run of memory.
    let runs = range.count == rows ? 1 : tokens
    let length = range.count == rows ? tokens * rows : range.count
    for run in 0..<runs {
      let offset = run * rows + range.lowerBound
      switch epilogue {
      case .nothing: return
      case .gelu: bloom_gelu(y + offset, length)
      case .adding(let other): bloom_add(other + offset, length, y + offset)
      }
    }
  }
}

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
      FloatProduct.multiply(
        tokens, width, rows, dy, rows, weights, columns, dx + range.lowerBound, columns)
      return
    }
    precondition(width <= TileStore.capacity, "a row longer than a tile")
    let height = TileStore.capacity / width
    TileStore.withTile { tile in
      for row in stride(from: 0, to: rows, by: height) {
        let count = min(height, rows - row)
        copyTile(row..<row + count, range, into: tile.pointer)
        FloatProduct.multiply(
          tokens, width, count, dy + row, rows, tile.pointer, width, adding: row > 0,
          dx + range.lowerBound, columns)
      }
    }
  }
}
