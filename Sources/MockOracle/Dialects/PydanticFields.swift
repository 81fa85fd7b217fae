import EthereumPrimitives
import PlumiseWire

/// Validates the fields of a body one by one and collects every error, as FastAPI does with
/// Pydantic.
///
/// The rules are those of the documented dialect (Wire.md): numbers are ≥ 0, and whole except
/// where a fraction is allowed. A path is only formatted where there is an error.
struct PydanticFields {
  private var found = FieldValidationErrors()

  /// The errors, in the order in which the fields were read.
  var errors: [FieldValidationError] { found.all }

  /// Whether no more errors are collected.
  var isFull: Bool { found.isFull }

  mutating func addError(_ path: @autoclosure () -> String, _ message: @autoclosure () -> String) {
    found.add(path(), message())
  }

  mutating func object(_ value: JSON, at path: @autoclosure () -> String) -> JSONObject? {
    if let object = value.objectValue { return object }
    addError(path(), "must be an object")
    return nil
  }

  mutating func string(_ value: JSON, at path: @autoclosure () -> String) -> String? {
    if let text = value.stringValue { return text }
    addError(path(), "must be a string")
    return nil
  }

  mutating func count(_ value: JSON, at path: @autoclosure () -> String) -> Int64? {
    guard let number = value.numberValue, number.isInteger else {
      addError(path(), "must be an integer")
      return nil
    }
    let integer = number.integer
    guard !number.text.utf8.starts(with: [UInt8(ascii: "-")]) || integer == 0 else {
      addError(path(), "must be greater than or equal to 0")
      return nil
    }
    guard let integer else {
      addError(path(), "must be less than or equal to \(Int64.max)")
      return nil
    }
    return integer
  }

  mutating func measure(_ value: JSON, at path: @autoclosure () -> String) -> Double? {
    guard let number = value.doubleValue else {
      addError(path(), "must be a number")
      return nil
    }
    guard number.isFinite else {
      addError(path(), "must be a finite number")
      return nil
    }
    guard number >= 0 else {
      addError(path(), "must be greater than or equal to 0")
      return nil
    }
    return number
  }

  mutating func address(_ value: JSON, at path: @autoclosure () -> String) -> Address? {
    guard let text = string(value, at: path()) else { return nil }
    // What fails to parse is refused with the same words, whatever the reason.
    if let address = try? Address(text) { return address }
    addError(path(), "must be an Ethereum address: 0x and 40 hexadecimal digits")
    return nil
  }

  mutating func hash(_ value: JSON, at path: @autoclosure () -> String) -> ProofHash? {
    guard let text = string(value, at: path()) else { return nil }
    if let hash = ProofHash(text) { return hash }
    addError(path(), "must be a hash: 0x and 64 hexadecimal digits")
    return nil
  }
}

/// One field of a documented body: how it is read, and how it is described.
struct PydanticField<Value: Sendable>: Sendable {
  let name: String
  let schema: Schema
  private let take: @Sendable (inout PydanticFields, JSON, () -> String) -> Value?

  fileprivate init(
    _ name: String, _ schema: Schema,
    _ take: @escaping @Sendable (inout PydanticFields, JSON, () -> String) -> Value?
  ) {
    self.name = name
    self.schema = schema
    self.take = take
  }

  /// The field of an object; nil with an error added when it is missing or wrong.
  /// - Parameter path: where the object stands, with a point behind it; empty for the body.
  func read(_ object: JSONObject, at path: String, _ reader: inout PydanticFields) -> Value? {
    guard let value = object[name] else {
      reader.addError(path + name, "field required")
      return nil
    }
    return take(&reader, value) { path + name }
  }
}

extension PydanticField<Address> {
  static func address(_ name: String) -> Self {
    Self(name, .address) { $0.address($1, at: $2()) }
  }
}

extension PydanticField<Int64> {
  static func count(_ name: String) -> Self { Self(name, .count) { $0.count($1, at: $2()) } }
}

extension PydanticField<Double> {
  static func measure(_ name: String) -> Self { Self(name, .measure) { $0.measure($1, at: $2()) } }
}

extension PydanticField<ProofHash> {
  static func hash(_ name: String) -> Self { Self(name, .proofHash) { $0.hash($1, at: $2()) } }
}

extension PydanticField<String> {
  static func text(_ name: String) -> Self { Self(name, .text) { $0.string($1, at: $2()) } }
}
