/// Why bytes from the wire are not the tensor that they claim to be.
package enum TensorError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The format has no meaning here.
  case unknownDataType(String)
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
