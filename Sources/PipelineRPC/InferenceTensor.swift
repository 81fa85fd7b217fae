package import struct Foundation.Data
import TorchArchive

/// Hidden states taken from, or ready for, a message of `plumise.inference`.
///
/// That service names the format in a string and knows one more than `plumise.petals`: bfloat16, which
/// the network's agents send as an archive of `torch.save`.
package struct InferenceTensor: Sendable {
  /// The formats of `dtype`, in the order in which an agent lists them.
  package enum Format: String, CaseIterable, Sendable {
    /// An archive of `torch.save`, which holds the shape as well.
    case bfloat16
    /// Little-endian IEEE 754 binary16.
    case float16
    /// Little-endian IEEE 754 binary32.
    case float32

    /// Reads the name that a message gives.
    ///
    /// - Throws: ``TensorError/unsupportedFormat(_:)``.
    package init(name: String) throws(TensorError) {
      guard let format = Self(rawValue: name) else { throw .unsupportedFormat(name) }
      self = format
    }
  }

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

  /// Checks the parts in which a message carries a tensor.
  ///
  /// - Parameters:
  ///   - data: Raw numbers, or for `bfloat16` an archive.
  ///   - dimensions: `[tokens, hidden]` or `[1, tokens, hidden]`; ignored for `bfloat16`, as the
  ///     network's agents do, for the archive has its own.
  ///   - hidden: The model's hidden size.
  /// - Throws: ``TensorError`` for the first part that is wrong.
  package init(
    data: Data, dimensions: [Int64], format: Format, hidden: Int
  ) throws(TensorError) {
    self.format = format
    switch format {
    case .float32, .float16:
      let tensor = try WireTensor(
        data: data, dimensions: dimensions, type: format == .float32 ? .float32 : .float16,
        hidden: hidden)
      (shape, values) = (tensor.shape, tensor.values)
    case .bfloat16:
      let archive: TorchArchive
      do {
        archive = try TorchArchive(parsing: [UInt8](data))
      } catch {
        throw .archive(error)
      }
      shape = try TensorShape(dimensions: archive.shape.map { Int64($0) }, hidden: hidden)
      values = archive.values
      if let index = TensorBytes.firstNotFinite(in: values) { throw .notFinite(index: index) }
    }
  }

  /// The first value that is not finite in the format on the wire; nil when all are.
  package var firstNotFinite: Int? {
    switch format {
    case .float32: TensorBytes.firstNotFinite(in: values)
    case .float16: WireTensor(shape: shape, type: .float16, values: values).firstNotFinite
    // The exponent of what is not finite is all ones; rounding may lead there.
    case .bfloat16: values.firstIndex { $0.bfloat16 & 0x7f80 == 0x7f80 }
    }
  }

  /// The bytes for a message.
  package var data: Data {
    switch format {
    case .float32: TensorBytes.encode(values, as: .float32)
    case .float16: TensorBytes.encode(values, as: .float16)
    case .bfloat16:
      Data(TorchArchive(shape: shape.dimensions.map { Int($0) }, values: values).bytes)
    }
  }
}
