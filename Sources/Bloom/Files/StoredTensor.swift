internal import BloomKernels

/// A tensor where it lies in its mapped file.
struct StoredTensor: Sendable {
  let file: MappedFile
  let name: String
  let type: SafetensorsType
  let shape: [Int]
  /// Bytes within the file.
  let range: Range<Int>

  var count: Int { shape.reduce(1, *) }

  /// Valid while `file` lives.
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: file.bytes[range]) }

  /// The elements as 32-bit floats; only for the three weight types.
  func floats(_ element: ElementType) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, filled in
      if let source = bytes.baseAddress, let target = buffer.baseAddress {
        bloom_to_float(element.kernelElement, source, count, target)
      }
      filled = count
    }
  }
}
