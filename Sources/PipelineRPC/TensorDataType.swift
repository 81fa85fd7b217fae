/// The number formats in which hidden states may cross the wire.
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

  /// Reads the name that `plumise.inference` uses.
  ///
  /// - Throws: ``TensorError/unknownDataType(_:)``.
  package init(name: String) throws(TensorError) {
    guard let known = Self(rawValue: name) else { throw .unknownDataType(name) }
    self = known
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
