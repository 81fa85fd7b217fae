import Foundation
import SwiftProtobuf

extension SwarmTensor {
  /// Most numbers that one tensor of a peer may hold.
  package static let greatestCount = 1 << 28

  /// A tensor for a message; whole numbers always go as they are.
  ///
  /// - Throws: ``SwarmMessageError`` for a codec that is not spoken here.
  package init(_ array: SwarmArray, codec: TensorCodec = .none) throws(SwarmMessageError) {
    self.init()
    size = array.shape.map { UInt64($0) }
    switch array.elements {
    case .whole(let values):
      dtype = "int64"
      compression = .none
      buffer = values.withUnsafeBytes { Data($0) }
    case .real(let values):
      try codec.requireSupported()
      dtype = "float32"
      compression = SwarmCompression(rawValue: codec.rawValue) ?? .none
      switch codec {
      case .float16: buffer = Float16Bits.encode(values)
      case .blockwise8Bit: buffer = BlockwiseCodec.encode(values)
      default: buffer = values.withUnsafeBytes { Data($0) }
      }
    }
  }

  /// The numbers of a tensor that a peer sent.
  ///
  /// - Parameter limit: Most numbers that it may hold.
  /// - Throws: ``SwarmMessageError`` for a codec or an element type that is not spoken here, and for
  ///   bytes that do not fit the shape.
  package func array(limit: Int = Self.greatestCount) throws(SwarmMessageError) -> SwarmArray {
    let codec = TensorCodec(rawValue: compression.rawValue)
    try codec.requireSupported()
    let (shape, count) = try shape(limit: limit)
    if dtype == "int64" {
      guard codec == .none else { throw wrong("int64 goes without a codec, not with \(codec)") }
      try require(bytes: buffer.count == 8 * count, shape)
      return SwarmArray(shape, whole: buffer.values(of: Int64.self))
    }
    guard ["float32", "float16", "bfloat16"].contains(dtype) else {
      throw wrong("the element type \"\(dtype.prefix(32))\" is not supported")
    }
    switch codec {
    case .float16:
      try require(bytes: buffer.count == 2 * count, shape)
      return SwarmArray(shape, Float16Bits.decode(buffer))
    case .blockwise8Bit:
      return SwarmArray(shape, try BlockwiseCodec.decode(buffer, count: count))
    default:
      return SwarmArray(shape, try plain(count, shape))
    }
  }

  /// Numbers without a codec; bfloat16 comes as itself or, from earlier versions, as float32.
  private func plain(_ count: Int, _ shape: [Int]) throws(SwarmMessageError) -> [Float] {
    if dtype != "float16", buffer.count == 4 * count { return buffer.values(of: Float.self) }
    try require(bytes: dtype != "float32" && buffer.count == 2 * count, shape)
    if dtype == "float16" { return Float16Bits.decode(buffer) }
    return buffer.values(of: UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
  }

  private func shape(limit: Int) throws(SwarmMessageError) -> (sizes: [Int], count: Int) {
    guard size.count <= 8 else { throw wrong("it has \(size.count) sizes, 8 are the most") }
    var sizes: [Int] = []
    var count = 1
    for size in size {
      guard let size = Int(exactly: size) else { throw wrong("a size of \(size) is too large") }
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow, product <= limit else {
        throw wrong("it has more than \(limit) numbers, the most that are read here")
      }
      sizes.append(size)
      count = product
    }
    return (sizes, count)
  }

  private func require(bytes fit: Bool, _ shape: [Int]) throws(SwarmMessageError) {
    guard fit else { throw wrong("\(buffer.count) bytes do not make \(shape) of \(dtype)") }
  }

  private func wrong(_ reason: String) -> SwarmMessageError {
    SwarmMessageError("a tensor", reason)
  }
}

/// IEEE 754 binary16, in little-endian bytes.
enum Float16Bits {
  static let greatest: Float = 65504

  static func encode(_ values: [Float]) -> Data {
    var bits: [UInt16] = []
    bits.reserveCapacity(values.count)
    for value in values { bits.append(half(min(max(value, -greatest), greatest))) }
    return bits.withUnsafeBytes { Data($0) }
  }

  static func decode(_ data: Data) -> [Float] { data.values(of: UInt16.self).map(single) }

  /// The nearest half of a number of at most ``greatest``, ties to even.
  private static func half(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
    if value.isNaN { return sign | 0x7e00 }
    let magnitude = Float(bitPattern: bits & 0x7fff_ffff)
    if magnitude < 0x1p-14 {
      // Below the smallest normal half, steps are equal: the sum rounds as the hardware does.
      return sign | UInt16((magnitude * 0x1p24).rounded(.toNearestOrEven))
    }
    let kept = magnitude.bitPattern
    let rounded = kept + 0xfff + ((kept >> 13) & 1)
    return sign | UInt16(truncatingIfNeeded: (rounded >> 13) &- (112 << 10))
  }

  private static func single(_ bits: UInt16) -> Float {
    let sign: Float = bits & 0x8000 == 0 ? 1 : -1
    let exponent = Int(bits >> 10) & 0x1f
    let fraction = UInt32(bits & 0x3ff)
    if exponent == 0 { return sign * Float(fraction) * 0x1p-24 }
    let high: UInt32 = exponent == 31 ? 0xff : UInt32(exponent + 112)
    return Float(bitPattern: UInt32(bits & 0x8000) << 16 | high << 23 | fraction << 13)
  }
}

extension Data {
  /// The little-endian numbers that the bytes make; as many as fit.
  func values<Number: BitwiseCopyable>(of _: Number.Type) -> [Number] {
    let count = count / MemoryLayout<Number>.stride
    return [Number](unsafeUninitializedCapacity: count) { buffer, initialised in
      copyBytes(
        to: UnsafeMutableRawBufferPointer(buffer), count: count * MemoryLayout<Number>.stride)
      initialised = count
    }
  }
}
