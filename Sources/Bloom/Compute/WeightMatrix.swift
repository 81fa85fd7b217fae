import BloomKernels

/// A stored matrix [rows, columns], used in place in the element type it has in its file.
///
/// A kernel converts weights in registers, once for several vectors. Where the BLAS is faster, it
/// takes weights other than float32 in tiles that are converted first.
package struct WeightMatrix: Sendable {
  package let rows: Int
  package let columns: Int
  package let elementType: ElementType
  /// Keeps `base` valid: the mapped file, or an aligned copy.
  private let owner: any Sendable & AnyObject
  private nonisolated(unsafe) let base: UnsafeRawPointer
  /// The scales of 8-bit weights.
  private let scales: WeightScales?

  /// A tensor [rows, columns] of a checked checkpoint; `scales` are those of 8-bit weights.
  init(_ tensor: StoredTensor, scales: StoredTensor?) {
    precondition(tensor.shape.count == 2, "\(tensor.name) is not a matrix")
    let element = tensor.elementType
    precondition((element == .q8) == (scales != nil), "\(tensor.name): scales are for 8 bits")
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
  var byteCount: Int { rows * columns * elementType.size }

  /// Where an element lies.
  func address(_ row: Int, _ column: Int) -> UnsafeRawPointer {
    base + (row * columns + column) * elementType.size
  }

  /// The weights from a row on, as what they are in memory.
  func weights<Stored>(from row: Int, as type: Stored.Type) -> UnsafePointer<Stored> {
    address(row, 0).assumingMemoryBound(to: type)
  }

  /// The scales from a row on; only 8-bit weights have any.
  func scales(from row: Int) -> UnsafePointer<Float>? {
    scales.map { $0.pointer + row * QuantizedLayout.groups(columns) }
  }

  /// One row, converted.
  func copyRow(_ row: Int, into target: UnsafeMutablePointer<Float>) {
    copyTile(row..<row + 1, 0..<columns, into: target)
  }

  /// Some rows of some columns as a dense matrix of floats.
  func copyTile(
    _ rows: Range<Int>, _ columns: Range<Int>, into target: UnsafeMutablePointer<Float>
  ) {
    if let scales {
      bloom_q8_to_float(
        weights(from: 0, as: Int8.self), scales.pointer, self.columns, rows.lowerBound, rows.count,
        columns.lowerBound, columns.count, target)
    } else {
      bloom_tile_to_float(
        elementType.kernelElement, address(rows.lowerBound, columns.lowerBound), rows.count,
        columns.count, self.columns, target)
    }
  }
}

/// The scales [rows, groups] of a matrix of 8-bit weights.
private struct WeightScales: Sendable {
  /// Keeps `pointer` valid: the mapped file, or an aligned copy.
  private let owner: any Sendable & AnyObject
  nonisolated(unsafe) let pointer: UnsafePointer<Float>

  init(_ tensor: StoredTensor) {
    if let address = tensor.bytes.baseAddress, Int(bitPattern: address).isMultiple(of: 4) {
      owner = tensor.file
      pointer = address.assumingMemoryBound(to: Float.self)
    } else {
      let copy = FloatBuffer(tensor)
      owner = copy
      pointer = UnsafePointer(copy.pointer)
    }
  }
}
