import PlumiseWire

/// The validation rules of the deployed oracle, with its own words (Wire.md, deployed dialect).
///
/// The services it is built with report a property's rules from the one that stands closest to the
/// property outwards, so the range of a number comes before its type.
enum DeployedRules {
  /// A number of at least `least`.
  static func number(_ value: JSON?, _ name: String, least: Int) -> [String] {
    guard let number = value?.doubleValue else {
      return ["\(name) must not be less than \(least)", notNumber(name)]
    }
    // JavaScript reads 1e999 as Infinity, which is above any least and yet no number here.
    if !number.isFinite {
      return number < 0
        ? ["\(name) must not be less than \(least)", notNumber(name)] : [notNumber(name)]
    }
    return number < Double(least) ? ["\(name) must not be less than \(least)"] : []
  }

  /// An Ethereum address of any case.
  static func address(_ value: JSON?, _ name: String) -> [String] {
    let digits = value?.stringValue.flatMap { text in
      text.hasPrefix("0x") ? text.dropFirst(2) : nil
    }
    let isAddress = digits.map { $0.utf8.count == 40 && $0.utf8.allSatisfy(isHexadecimal) }
    return isAddress == true ? [] : ["\(name) must be an Ethereum address"]
  }

  /// Any text.
  static func string(_ value: JSON?, _ name: String) -> [String] {
    value?.stringValue == nil ? ["\(name) must be a string"] : []
  }

  /// A list of texts.
  static func texts(_ value: JSON?, _ name: String) -> [String] {
    guard let elements = value?.arrayValue else {
      return ["each value in \(name) must be a string", "\(name) must be an array"]
    }
    return elements.allSatisfy { $0.stringValue != nil }
      ? [] : ["each value in \(name) must be a string"]
  }

  /// A URL with its protocol.
  static func url(_ value: JSON?, _ name: String) -> [String] {
    value?.stringValue.map(DeployedURL.isURL) == true ? [] : ["\(name) must be a URL address"]
  }

  /// 66 hexadecimal characters, `0x` or `0h` among them or not.
  static func hash(_ value: JSON?, _ name: String) -> [String] {
    let text = value?.stringValue
    var messages = length(value, name, exactly: 66)
    if text.map(isHexadecimalText) != true {
      messages.append("\(name) must be a hexadecimal number")
    }
    if text == nil { messages.append("\(name) must be a string") }
    return messages
  }

  private static func length(_ value: JSON?, _ name: String, exactly length: Int) -> [String] {
    let tooShort = "\(name) must be longer than or equal to \(length) characters"
    switch value {
    case .string(let text):
      // JavaScript counts UTF-16 units.
      let count = text.utf16.count
      if count == length { return [] }
      return [
        count < length ? tooShort : "\(name) must be shorter than or equal to \(length) characters"
      ]
    case .array(let elements):
      return [
        elements.count < length
          ? tooShort
          : elements.count > length
            ? "\(name) must be shorter than or equal to \(length) characters"
            : between(name, length)
      ]
    case nil, .null, .bool(false): return [tooShort]
    case .number(let number): return [number.double == 0 ? tooShort : between(name, length)]
    case .bool(true), .object: return [between(name, length)]
    }
  }

  /// What is said of a value that is neither short nor long because it has no length at all.
  private static func between(_ name: String, _ length: Int) -> String {
    "\(name) must be longer than or equal to \(length) "
      + "and shorter than or equal to \(length) characters"
  }

  private static func notNumber(_ name: String) -> String {
    "\(name) must be a number conforming to the specified constraints"
  }

  private static func isHexadecimalText(_ text: String) -> Bool {
    let prefixed = ["0x", "0h", "0X", "0H"].contains { text.hasPrefix($0) }
    let digits = prefixed ? text.utf8.dropFirst(2) : text.utf8[...]
    return !digits.isEmpty && digits.allSatisfy(isHexadecimal)
  }

  private static func isHexadecimal(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
  }
}
