import EthereumPrimitives
import PlumiseWire

/// Reads the fields of a JSON object, and names the one that is wrong.
struct Fields {
  let path: String
  let object: JSONObject

  init(_ json: JSON?, _ path: String) throws(FieldError) {
    guard let object = json?.objectValue else { throw FieldError(path, "must be an object") }
    self.path = path
    self.object = object
  }

  private func name(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  func child(_ key: String) throws(FieldError) -> Fields {
    try Fields(object[key], name(key))
  }

  func optionalText(_ key: String) throws(FieldError) -> String? {
    guard let value = object[key], !value.isNull else { return nil }
    guard let text = value.stringValue else { throw FieldError(name(key), "must be a string") }
    return text
  }

  func text(_ key: String) throws(FieldError) -> String {
    guard let text = try optionalText(key) else { throw FieldError(name(key), "is missing") }
    return text
  }

  func bytes(_ key: String) throws(FieldError) -> [UInt8] {
    do { return try Hex.decode(try text(key)) } catch let error as FieldError {
      throw error
    } catch { throw FieldError(name(key), "\(error)") }
  }

  func optionalWord(_ key: String) throws(FieldError) -> Word? {
    guard let text = try optionalText(key) else { return nil }
    return try Self.word(text, name(key))
  }

  func word(_ key: String) throws(FieldError) -> Word {
    try Self.word(try text(key), name(key))
  }

  func integer(_ key: String) throws(FieldError) -> UInt64 {
    guard let value = try word(key).exactUInt64() else {
      throw FieldError(name(key), "exceeds 64 bits")
    }
    return value
  }

  func address(_ key: String) throws(FieldError) -> Address {
    try Self.address(try text(key), name(key))
  }

  func hash(_ key: String) throws(FieldError) -> Hash32 {
    let text = try text(key)
    do { return try Hash32(text) } catch { throw FieldError(name(key), "\(error)") }
  }

  static func address(_ text: String, _ name: String) throws(FieldError) -> Address {
    do { return try Address(text) } catch { throw FieldError(name, "\(error)") }
  }

  /// A quantity; leading zeros are no fault here, because random values have them.
  static func word(_ text: String, _ name: String) throws(FieldError) -> Word {
    guard text.hasPrefix("0x"), text.count > 2 else {
      throw FieldError(name, "must be 0x and digits, not \"\(text)\"")
    }
    let digits = text.dropFirst(2).drop { $0 == "0" }
    do { return try Quantity.decode(digits.isEmpty ? "0x0" : "0x" + digits) } catch {
      throw FieldError(name, "\(error)")
    }
  }
}

/// A field of a test that is wrong.
struct FieldError: Error, CustomStringConvertible {
  let description: String

  init(_ name: String, _ reason: String) { description = "\(name) \(reason)" }
}
