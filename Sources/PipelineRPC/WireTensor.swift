package import struct Foundation.Data

/// Hidden states taken from, or ready for, a message of either service.
package struct WireTensor: Sendable {
  /// `[tokens, hidden]`.
  package let shape: TensorShape
  /// The format on the wire.
  package let type: TensorDataType
  /// Row-major values.
  package let values: [Float]

  /// Values to be sent.
  ///
  /// - Precondition: there are as many values as the shape says.
  package init(shape: TensorShape, type: TensorDataType, values: [Float]) {
    precondition(values.count == shape.count, "\(values.count) values for \(shape)")
    self.shape = shape
    self.type = type
    self.values = values
  }

  /// Checks the three parts in which both services carry a tensor.
  ///
  /// - Parameter hidden: The model's hidden size.
  /// - Throws: ``TensorError`` for the first part that is wrong.
  package init(
    data: Data, dimensions: [Int64], type: TensorDataType, hidden: Int
  ) throws(TensorError) {
    self.type = type
    self.shape = try TensorShape(dimensions: dimensions, hidden: hidden)
    self.values = try TensorBytes.decode(data, as: type, count: shape.count)
  }

  /// Checks a tensor of `plumise.petals`.
  ///
  /// - Throws: ``TensorError``.
  package init(_ message: Plumise_Petals_Tensor, hidden: Int) throws(TensorError) {
    try self.init(
      data: message.data, dimensions: message.shape, type: TensorDataType(message.dtype),
      hidden: hidden)
  }

  /// The first value that is not finite in the format on the wire, which for `float16` ends before
  /// 65 520; nil when all are.
  package var firstNotFinite: Int? {
    switch type {
    case .float32: TensorBytes.firstNotFinite(in: values)
    case .float16: values.firstIndex { !($0.magnitude < 65_520) }
    }
  }

  /// The little-endian bytes.
  package var data: Data { TensorBytes.encode(values, as: type) }

  /// The tensor as `plumise.petals` carries it.
  package var message: Plumise_Petals_Tensor {
    var message = Plumise_Petals_Tensor()
    message.dtype = type.message
    message.shape = shape.dimensions
    message.data = data
    return message
  }
}
