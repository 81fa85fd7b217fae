import EthereumPrimitives
import PlumiseWire

/// Reads the fields of a body one by one and remembers everything that is wrong with them.
///
/// The rules are those of the documented dialect (Wire.md): numbers are ≥ 0, and whole except
/// where a fraction is allowed. A path is only spelled out where there is a fault.
struct FieldReader {
  private var found = FieldValidationErrors()

  /// What is wrong, in the order in which it was read.
  var faults: [FieldValidationError] { found.all }

  /// Whether reading on would tell nothing more.
  var isFull: Bool { found.isFull }

  mutating func fault(_ path: @autoclosure () -> String, _ message: @autoclosure () -> String) {
    found.add(path(), message())
  }

  mutating func object(_ value: JSON, at path: @autoclosure () -> String) -> JSONObject? {
    if let object = value.objectValue { return object }
    fault(path(), "must be an object")
    return nil
  }

  mutating func string(_ value: JSON, at path: @autoclosure () -> String) -> String? {
    if let text = value.stringValue { return text }
    fault(path(), "must be a string")
    return nil
  }

  mutating func count(_ value: JSON, at path: @autoclosure () -> String) -> Int64? {
    guard let number = value.numberValue, number.isInteger else {
      fault(path(), "must be an integer")
      return nil
    }
    let integer = number.integer
    guard !number.text.utf8.starts(with: [UInt8(ascii: "-")]) || integer == 0 else {
      fault(path(), "must be greater than or equal to 0")
      return nil
    }
    guard let integer else {
      fault(path(), "must be less than or equal to \(Int64.max)")
      return nil
    }
    return integer
  }

  mutating func measure(_ value: JSON, at path: @autoclosure () -> String) -> Double? {
    guard let number = value.doubleValue else {
      fault(path(), "must be a number")
      return nil
    }
    guard number.isFinite else {
      fault(path(), "must be a finite number")
      return nil
    }
    guard number >= 0 else {
      fault(path(), "must be greater than or equal to 0")
      return nil
    }
    return number
  }

  mutating func address(_ value: JSON, at path: @autoclosure () -> String) -> Address? {
    guard let text = string(value, at: path()) else { return nil }
    // What fails to parse is refused with the same words, whatever the reason.
    if let address = try? Address(text) { return address }
    fault(path(), "must be an Ethereum address: 0x and 40 hexadecimal digits")
    return nil
  }

  mutating func hash(_ value: JSON, at path: @autoclosure () -> String) -> ProofHash? {
    guard let text = string(value, at: path()) else { return nil }
    if let hash = ProofHash(text) { return hash }
    fault(path(), "must be a hash: 0x and 64 hexadecimal digits")
    return nil
  }
}
