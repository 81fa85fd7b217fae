internal import BloomKernels

/// A tensor where it lies in its mapped file.
struct StoredTensor: Sendable {
  let file: MappedFile
  let name: String
  let type: SafetensorsType
  let shape: [Int]
  /// Bytes within the file.
  let range: Range<Int>

  /// Elements; none, however large the other sizes are, when one size is 0.
  var count: Int { shape.contains(0) ? 0 : shape.reduce(1, *) }

  /// The type as a weight's, for a tensor of a checked checkpoint.
  var elementType: ElementType { type == .i8 ? .q8 : type.elementType ?? .f32 }

  /// Valid while `file` lives.
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: file.bytes[range]) }

  /// Some elements as 32-bit floats; only for types that are numbers by themselves.
  func copy(_ elements: Range<Int>, into target: UnsafeMutablePointer<Float>) {
    guard let source = bytes.baseAddress else { return }
    bloom_to_float(
      elementType.kernelElement, source + elements.lowerBound * elementType.size, elements.count,
      target)
  }

  /// All elements, likewise.
  func floats() -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, filled in
      if let target = buffer.baseAddress { copy(0..<count, into: target) }
      filled = count
    }
  }
}
