package import struct Foundation.Data

/// Numbers as little-endian bytes, and back.
package enum TensorBytes {
  /// The bytes of row-major values in a format.
  package static func encode(_ values: [Float], as type: TensorDataType) -> Data {
    switch type {
    case .float32: data(of: values.count * 4) { copy(values, to: $0) }
    case .float16: data(of: values.count * 2) { narrow(values, to: $0) }
    }
  }

  /// Reads exactly `count` finite values.
  ///
  /// - Throws: ``TensorError/byteCount(expected:actual:)`` before anything is read, and
  ///   ``TensorError/notFinite(index:)``: one such value would spoil a session's cache for good.
  package static func decode(
    _ bytes: Data, as type: TensorDataType, count: Int
  ) throws(TensorError) -> [Float] {
    let expected = count * type.width
    guard bytes.count == expected else {
      throw .byteCount(expected: expected, actual: bytes.count)
    }
    let values = [Float](unsafeUninitializedCapacity: count) { target, written in
      bytes.withUnsafeBytes { source in
        switch type {
        case .float32: copy(source, to: target)
        case .float16: widen(source, to: target)
        }
      }
      written = count
    }
    if let index = firstNotFinite(in: values) { throw .notFinite(index: index) }
    return values
  }

  private static func data(of count: Int, fill: (UnsafeMutableRawBufferPointer) -> Void) -> Data {
    var data = Data(count: count)
    data.withUnsafeMutableBytes(fill)
    return data
  }

  // The machines that Swift runs on are little-endian, where float32 is a plain copy; the
  // byte swap compiles to nothing there.
  private static func copy(_ values: [Float], to target: UnsafeMutableRawBufferPointer) {
    #if _endian(little)
      values.withUnsafeBytes { target.copyMemory(from: $0) }
    #else
      for (index, value) in values.enumerated() {
        target.storeBytes(
          of: value.bitPattern.littleEndian, toByteOffset: index * 4, as: UInt32.self)
      }
    #endif
  }

  private static func copy(
    _ source: UnsafeRawBufferPointer, to target: UnsafeMutableBufferPointer<Float>
  ) {
    #if _endian(little)
      UnsafeMutableRawBufferPointer(target).copyMemory(from: source)
    #else
      for index in 0..<(source.count / 4) {
        let bits = source.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)
        target.initializeElement(at: index, to: Float(bitPattern: UInt32(littleEndian: bits)))
      }
    #endif
  }

  private static func narrow(_ values: [Float], to target: UnsafeMutableRawBufferPointer) {
    for (index, value) in values.enumerated() {
      let bits = Float16(value).bitPattern.littleEndian
      target.storeBytes(of: bits, toByteOffset: index * 2, as: UInt16.self)
    }
  }

  private static func widen(
    _ source: UnsafeRawBufferPointer, to target: UnsafeMutableBufferPointer<Float>
  ) {
    for index in 0..<(source.count / 2) {
      let bits = source.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)
      let half = Float16(bitPattern: UInt16(littleEndian: bits))
      target.initializeElement(at: index, to: Float(half))
    }
  }

  static func firstNotFinite(in values: [Float]) -> Int? {
    values.withUnsafeBufferPointer { values in
      // The exponent of what is not finite is all ones, the greatest there is: a maximum of integers
      // has no branch and no order, so it can be vectorised.
      var greatest: UInt32 = 0
      for value in values { greatest = max(greatest, value.bitPattern & 0x7f80_0000) }
      return greatest < 0x7f80_0000 ? nil : values.firstIndex { !$0.isFinite }
    }
  }
}
