package import struct Foundation.Data
import TorchArchive

/// The formats of `dtype` in `plumise.inference`, in the order in which an agent lists them.
///
/// That service names the format in a string and knows one more than `plumise.petals`: bfloat16, which
/// the network's agents send as an archive of `torch.save`.
package enum InferenceFormat: String, CaseIterable, Sendable {
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

/// Hidden states as `plumise.inference` carries them.
package typealias InferenceTensor = WireTensor<InferenceFormat>

extension WireTensor<InferenceFormat> {
  /// Checks the parts in which a message carries a tensor.
  ///
  /// - Parameters:
  ///   - data: Raw numbers, or for `bfloat16` an archive.
  ///   - dimensions: `[tokens, hidden]` or `[1, tokens, hidden]`; ignored for `bfloat16`, as the
  ///     network's agents do, for the archive has its own.
  ///   - hidden: The model's hidden size.
  /// - Throws: ``TensorError`` for the first part that is wrong.
  package init(
    data: Data, dimensions: [Int64], format: InferenceFormat, hidden: Int
  ) throws(TensorError) {
    let shape: TensorShape
    let values: [Float]
    switch format {
    case .float32, .float16:
      let tensor = try PetalsTensor(
        data: data, dimensions: dimensions, format: format == .float32 ? .float32 : .float16,
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
    self.init(shape: shape, format: format, values: values)
  }

  /// The first value that is not finite in the format on the wire; nil when all are.
  package var firstNotFinite: Int? {
    switch format {
    case .float32: TensorBytes.firstNotFinite(in: values)
    case .float16: PetalsTensor(shape: shape, format: .float16, values: values).firstNotFinite
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
