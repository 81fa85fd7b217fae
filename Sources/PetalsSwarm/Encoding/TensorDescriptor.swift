/// hivemind's description of a tensor whose first size is open (`BatchTensorDescriptor`), an
/// extension of type 0x51.
package struct TensorDescriptor: Hashable, Sendable {
  /// The extension type in msgpack.
  static let type: Int8 = 0x51

  /// The sizes behind the open first one; nil for an open one.
  package let sizes: [Int?]
  /// torch's name of the element type, without `torch.`: "float32".
  package let dtype: String
  /// The codec in which such tensors are sent.
  package let compression: Int

  /// A description by its parts.
  package init(sizes: [Int?], dtype: String, compression: Int = 0) {
    self.sizes = sizes
    self.dtype = dtype
    self.compression = compression
  }

  /// The value for a message.
  package var message: MessagePackValue {
    let size: [MessagePackValue] = sizes.map { $0.map { .int(Int64($0)) } ?? .null }
    let fields: MessagePackValue = .object([
      "size": .tuple([.null] + size), "dtype": .string("torch.\(dtype)"),
      "layout": .string("torch.strided"), "requires_grad": .bool(false), "pin_memory": .bool(false),
      "compression": .int(Int64(compression)), "device_type": .null, "device_index": .null,
    ])
    return .extension(type: Self.type, payload: fields.encoded)
  }

  /// Reads a description.
  ///
  /// - Throws: ``SwarmMessageError`` for what is none.
  package init(_ message: MessagePackValue) throws(SwarmMessageError) {
    guard case .extension(Self.type, let payload) = message else {
      throw SwarmMessageError("a tensor descriptor", "it is no extension of type \(Self.type)")
    }
    let fields: MessagePackValue
    do {
      fields = try MessagePackValue(decoding: payload)
    } catch {
      throw SwarmMessageError("a tensor descriptor", "\(error)")
    }
    guard let size = fields["size"]?.elements, let first = size.first, first == .null,
      size.dropFirst().allSatisfy({ $0 == .null || ($0.integer ?? -1) >= 0 }),
      let dtype = fields["dtype"]?.text, let compression = fields["compression"]?.integer
    else {
      throw SwarmMessageError(
        "a tensor descriptor", "size, dtype and compression are expected, the first size open")
    }
    sizes = size.dropFirst().map(\.integer)
    self.dtype = dtype.split(separator: ".").last.map(String.init) ?? dtype
    self.compression = compression
  }
}

/// A message of a peer that has not the form it should have.
public struct SwarmMessageError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What should have come.
  public let what: String
  /// What is wrong with it.
  public let reason: String

  package init(_ what: String, _ reason: String) {
    self.what = what
    self.reason = reason
  }

  /// One line that says what is wrong.
  public var description: String { "\(what): \(reason)" }
}
