package import struct Foundation.Data
package import TorchArchive

/// Hidden states taken from, or ready for, a message, in one of a service's formats.
package struct WireTensor<Format: Sendable>: Sendable {
  /// `[tokens, hidden]`.
  package let shape: TensorShape
  /// The format on the wire.
  package let format: Format
  /// Row-major values.
  package let values: [Float]

  /// Values to be sent.
  ///
  /// - Precondition: there are as many values as the shape says.
  package init(shape: TensorShape, format: Format, values: [Float]) {
    precondition(values.count == shape.count, "\(values.count) values for \(shape)")
    self.shape = shape
    self.format = format
    self.values = values
  }
}

/// Hidden states as raw numbers, which is how `plumise.petals` carries them.
package typealias PetalsTensor = WireTensor<TensorDataType>

extension WireTensor<TensorDataType> {
  /// Checks the three parts in which a message carries a tensor.
  ///
  /// - Parameter hidden: The model's hidden size.
  /// - Throws: ``TensorError`` for the first part that is wrong.
  package init(
    data: Data, dimensions: [Int64], format: TensorDataType, hidden: Int
  ) throws(TensorError) {
    let shape = try TensorShape(dimensions: dimensions, hidden: hidden)
    self.init(
      shape: shape, format: format,
      values: try TensorBytes.decode(data, as: format, count: shape.count))
  }

  /// Checks a tensor of `plumise.petals`.
  ///
  /// - Throws: ``TensorError``.
  package init(_ message: Plumise_Petals_Tensor, hidden: Int) throws(TensorError) {
    try self.init(
      data: message.data, dimensions: message.shape, format: TensorDataType(message.dtype),
      hidden: hidden)
  }

  /// The first value that is not finite in the format on the wire, which for `float16` ends before
  /// 65 520; nil when all are.
  package var firstNotFinite: Int? {
    switch format {
    case .float32: TensorBytes.firstNotFinite(in: values)
    case .float16: values.firstIndex { !($0.magnitude < 65_520) }
    }
  }

  /// The little-endian bytes.
  package var data: Data { TensorBytes.encode(values, as: format) }

  /// The tensor as `plumise.petals` carries it.
  package var message: Plumise_Petals_Tensor {
    var message = Plumise_Petals_Tensor()
    message.dtype = format.message
    message.shape = shape.dimensions
    message.data = data
    return message
  }
}

/// The shape of hidden states on the wire: `[tokens, hidden]`, a batch of one in front allowed.
package struct TensorShape: Hashable, Sendable {
  /// Rows.
  package let tokens: Int
  /// Numbers in a row.
  package let hidden: Int
  /// Whether the sender put a batch of one in front; an answer does the same.
  package let isBatched: Bool

  /// The shape of `tokens` rows of `hidden` numbers.
  package init(tokens: Int, hidden: Int, isBatched: Bool = false) {
    self.tokens = tokens
    self.hidden = hidden
    self.isBatched = isBatched
  }

  /// Checks dimensions that came over the wire.
  ///
  /// - Parameters:
  ///   - dimensions: `[tokens, hidden]` or `[1, tokens, hidden]`.
  ///   - hidden: The model's hidden size.
  /// - Throws: ``TensorError/shape(_:)`` and ``TensorError/hiddenSize(expected:actual:)``.
  package init(dimensions: [Int64], hidden: Int) throws(TensorError) {
    let isBatched = dimensions.count == 3 && dimensions[0] == 1
    let rows = isBatched ? dimensions.dropFirst() : dimensions[...]
    guard rows.count == 2, let first = rows.first, let last = rows.last, first >= 1, last >= 1,
      first <= Int64(Int32.max), last <= Int64(Int32.max)
    else { throw .shape(dimensions) }
    guard last == hidden else { throw .hiddenSize(expected: hidden, actual: Int(last)) }
    self.init(tokens: Int(first), hidden: hidden, isBatched: isBatched)
  }

  /// How many numbers it holds; both sizes fit 31 bits, so this cannot overflow.
  package var count: Int { tokens * hidden }

  /// The dimensions for a message.
  package var dimensions: [Int64] {
    (isBatched ? [1] : []) + [Int64(tokens), Int64(hidden)]
  }
}

/// The number formats in which hidden states may cross the wire as raw numbers.
package enum TensorDataType: String, CaseIterable, Sendable {
  /// IEEE 754 binary32, the default.
  case float32
  /// IEEE 754 binary16: half the bytes, eleven bits of precision.
  case float16

  /// Bytes of one number.
  package var width: Int {
    switch self {
    case .float32: 4
    case .float16: 2
    }
  }

  /// Reads the enumeration that `plumise.petals` uses.
  ///
  /// - Throws: ``TensorError/unknownDataType(_:)``; an unspecified type is unknown too.
  package init(_ message: Plumise_Petals_DataType) throws(TensorError) {
    switch message {
    case .float32: self = .float32
    case .float16: self = .float16
    case .unspecified: throw .unknownDataType("unspecified")
    case .UNRECOGNIZED(let number): throw .unknownDataType("number \(number)")
    }
  }

  /// This format in `plumise.petals`.
  package var message: Plumise_Petals_DataType {
    switch self {
    case .float32: .float32
    case .float16: .float16
    }
  }
}

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

/// Why bytes from the wire are not the tensor that they claim to be.
package enum TensorError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The format has no meaning in `plumise.petals`.
  case unknownDataType(String)
  /// The format has no meaning in `plumise.inference`.
  case unsupportedFormat(String)
  /// The bytes are no archive of a bfloat16 tensor.
  case archive(TorchArchiveError)
  /// Not `[tokens, hidden]`, nor that with a leading 1, or with a size below 1.
  case shape([Int64])
  /// The rows are not as wide as the model.
  case hiddenSize(expected: Int, actual: Int)
  /// The bytes are more or fewer than the shape says.
  case byteCount(expected: Int, actual: Int)
  /// A value is infinite or not a number.
  case notFinite(index: Int)

  /// One line that says what was expected and what came.
  package var description: String {
    switch self {
    case .unknownDataType(let name):
      let known = TensorDataType.allCases.map(\.rawValue).joined(separator: " or ")
      return "dtype \(name) is unknown: send \(known)"
    case .unsupportedFormat(let name):
      // The words of the network's agents, which print a Python list.
      let known = InferenceFormat.allCases.map { "'\($0.rawValue)'" }
      return "Unsupported dtype '\(name)'. Supported: [\(known.joined(separator: ", "))]"
    case .archive(let error): return "\(error)"
    case .shape(let shape):
      return "shape \(shape) is not [tokens, hidden] with at least one token"
    case .hiddenSize(let expected, let actual):
      return "the model's hidden size is \(expected), but the shape says \(actual)"
    case .byteCount(let expected, let actual):
      return "the shape asks for \(expected) bytes, but \(actual) came"
    case .notFinite(let index):
      return "value \(index) is infinite or not a number"
    }
  }
}
