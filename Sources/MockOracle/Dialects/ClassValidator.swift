import EthereumPrimitives
import PlumiseWire

/// Validates a body as NestJS does with class-validator: the properties of a class, each with its
/// constraint, and the messages in the deployed oracle's words and order (Wire.md, deployed
/// dialect).
///
/// The description of the interface is made from the same properties.
struct ClassValidator: Sendable {
  /// One property and its constraint.
  struct Property: Sendable {
    let name: String
    let constraint: Constraint
    /// Whether it may be missing, or null.
    let isOptional: Bool

    init(_ name: String, _ constraint: Constraint, optional: Bool = false) {
      self.name = name
      self.constraint = constraint
      isOptional = optional
    }
  }

  /// What a property must be, by the decorators' names; a property has one, or several of which the
  /// one that stands closest to it is reported first.
  enum Constraint: Sendable {
    /// A number of at least so much (`IsNumber`, `Min`).
    case min(Int)
    /// An Ethereum address of any case (`Matches`).
    case isEthereumAddress
    /// Any text.
    case isString
    /// A list of texts (`IsArray`, `IsString` for each).
    case isStringArray
    case isBoolean
    /// A URL with its protocol.
    case isURL
    /// 66 hexadecimal characters, `0x` or `0h` among them or not (`IsString`, `IsHexadecimal`,
    /// `Length`).
    case isHexadecimal
    /// A list of objects of another class (`IsArray`, `ValidateNested`).
    case validateNested(ClassValidator)
  }

  let properties: [Property]

  init(_ properties: [Property]) {
    self.properties = properties
  }

  /// Reads a body of this class.
  /// - Throws: ``RejectionReason/malformed(_:)`` or ``RejectionReason/invalid(_:)``.
  func read(_ bytes: [UInt8]) throws(RejectionReason) -> JSONObject {
    let body: JSON
    do { body = try JSON.parse(bytes) } catch { throw .malformed(error.description) }
    guard body.objectValue != nil || body.arrayValue != nil else {
      throw .malformed("the body is neither an object nor an array")
    }
    let object = body.objectValue ?? JSONObject()
    var errors = FieldValidationErrors()
    validate(object, into: &errors)
    guard errors.all.isEmpty else { throw .invalid(errors.all) }
    return object
  }

  /// Adds what is wrong with an object: unknown properties first, then property by property.
  /// - Parameter path: where the object stands, with a point behind it; empty for the body.
  private func validate(
    _ object: JSONObject, at path: String = "", into errors: inout FieldValidationErrors
  ) {
    for member in object.members where !properties.contains(where: { $0.name == member.key }) {
      if errors.isFull { return }
      errors.add(path + member.key, "\(path)property \(member.key) should not exist")
    }
    for property in properties {
      let value = object[property.name]
      if property.isOptional, value?.isNull != false { continue }
      switch property.constraint {
      case .validateNested(let nested):
        nested.validateEach(value, property.name, into: &errors)
      default:
        for message in property.constraint.messages(value, property.name) {
          errors.add(path + property.name, path + message)
        }
      }
    }
  }

  /// Adds what is wrong with a list of objects of this class.
  private func validateEach(
    _ value: JSON?, _ name: String, into errors: inout FieldValidationErrors
  ) {
    let notObject = "each value in nested property \(name) must be either object or array"
    switch value {
    case .array(let elements):
      for (index, element) in elements.enumerated() where !errors.isFull {
        if let object = element.objectValue {
          validate(object, at: "\(name).\(index).", into: &errors)
        } else {
          errors.add("\(name).\(index)", "\(name).\(notObject)")
        }
      }
    case .object(let object):
      // A single object in place of a list is validated, and found to lack the list.
      var inside = FieldValidationErrors()
      validate(object, at: "\(name).", into: &inside)
      if inside.all.isEmpty { inside.add(name, "\(name) must be an array") }
      for error in inside.all { errors.add(error.path, error.message) }
    default:
      for message in ["\(name) must be an array", notObject] { errors.add(name, message) }
    }
  }
}

extension ClassValidator.Constraint {
  /// What is wrong with a value, in the order in which class-validator says it: the range of a
  /// number comes before its type.
  fileprivate func messages(_ value: JSON?, _ name: String) -> [String] {
    switch self {
    case .min(let least): Self.number(value, name, least: least)
    case .isEthereumAddress: Self.address(value, name)
    case .isString: value?.stringValue == nil ? ["\(name) must be a string"] : []
    case .isStringArray: Self.strings(value, name)
    case .isBoolean: value?.boolValue == nil ? ["\(name) must be a boolean value"] : []
    case .isURL:
      value?.stringValue.map(ValidatorURL.isURL) == true ? [] : ["\(name) must be a URL address"]
    case .isHexadecimal: Self.hexadecimal(value, name)
    case .validateNested: []
    }
  }

  private static func number(_ value: JSON?, _ name: String, least: Int) -> [String] {
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

  private static func address(_ value: JSON?, _ name: String) -> [String] {
    let digits = value?.stringValue.flatMap { text in
      text.hasPrefix("0x") ? text.dropFirst(2) : nil
    }
    let isAddress = digits.map { $0.utf8.count == 40 && $0.utf8.allSatisfy(isHexadecimal) }
    return isAddress == true ? [] : ["\(name) must be an Ethereum address"]
  }

  private static func strings(_ value: JSON?, _ name: String) -> [String] {
    guard let elements = value?.arrayValue else {
      return ["each value in \(name) must be a string", "\(name) must be an array"]
    }
    return elements.allSatisfy { $0.stringValue != nil }
      ? [] : ["each value in \(name) must be a string"]
  }

  private static func hexadecimal(_ value: JSON?, _ name: String) -> [String] {
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

extension ClassValidator {
  /// The class as it is described.
  var schema: Schema {
    let required = properties.filter { !$0.isOptional }.map { ($0.name, $0.constraint.schema) }
    let optional = properties.filter(\.isOptional).map {
      ($0.name, Schema.nullable($0.constraint.schema))
    }
    return .object(required, optional: optional, isClosed: true)
  }
}

extension ClassValidator.Constraint {
  fileprivate var schema: Schema {
    switch self {
    case .min(let least): .number(least: least)
    case .isEthereumAddress: .address
    case .isString: .text
    case .isStringArray: .list(.text)
    case .isBoolean: .flag
    case .isURL: .url
    case .isHexadecimal: .looseHash
    case .validateNested(let nested): .list(nested.schema)
    }
  }
}

/// What validator.js, which class-validator asks, takes for a URL: `http`, `https` or `ftp`, and a
/// host that is an address or a name with a top-level domain.
///
/// `http://localhost:3000` is none.
private enum ValidatorURL {
  static func isURL(_ text: String) -> Bool {
    let hasRefused = text.unicodeScalars.contains {
      $0.properties.isWhitespace || $0 == "<" || $0 == ">"
    }
    guard text.utf8.count < 2083, !hasRefused else { return false }
    guard let scheme = ["http://", "https://", "ftp://"].first(where: text.lowercased().hasPrefix)
    else { return false }
    let authority = Substring(
      text.unicodeScalars.dropFirst(scheme.count).prefix { $0 != "/" && $0 != "?" && $0 != "#" })
    var parts = authority.parts(at: "@")
    guard let hostAndPort = parts.popLast(), parts.count <= 1 else { return false }
    if let user = parts.first {
      // A user and perhaps a password; neither both empty nor more of them.
      let names = user.parts(at: ":")
      guard names.count <= 2, names.contains(where: { !$0.isEmpty }) else { return false }
    }
    guard let (host, port) = split(hostAndPort) else { return false }
    if let port {
      guard port.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(port),
        (1...65535).contains(number)
      else { return false }
    }
    return host.hasPrefix("[") || isAddress(host) || isDomain(host)
  }

  /// The host, with its brackets when it has any, and the port's text.
  private static func split(_ text: Substring) -> (host: Substring, port: Substring?)? {
    if text.hasPrefix("[") {
      guard let close = text.firstIndex(of: "]") else { return nil }
      let inside = text[text.index(after: text.startIndex)..<close]
      let rest = text[text.index(after: close)...]
      guard inside.contains(":"), inside.allSatisfy({ $0.isHexDigit || ":.".contains($0) }),
        rest.isEmpty || rest.hasPrefix(":")
      else { return nil }
      return (text[...close], rest.isEmpty ? nil : rest.dropFirst())
    }
    let parts = text.parts(at: ":")
    switch parts.count {
    case 1: return (parts[0], nil)
    case 2: return (parts[0], parts[1])
    default: return nil
    }
  }

  private static func isAddress(_ host: Substring) -> Bool {
    let parts = host.parts(at: ".")
    return parts.count == 4
      && parts.allSatisfy { part in
        part.utf8.count <= 3 && Int(part).map { (0...255).contains($0) } == true
          && part.allSatisfy(\.isNumber) && (part == "0" || !part.hasPrefix("0"))
      }
  }

  private static func isDomain(_ host: Substring) -> Bool {
    let labels = host.parts(at: ".")
    guard labels.count >= 2, let top = labels.last, top.count >= 2,
      top.allSatisfy({ $0.isLetter }) || top.lowercased().hasPrefix("xn--")
    else { return false }
    return labels.allSatisfy { label in
      (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
        && label.allSatisfy { $0.isLetter || $0.isNumber || $0 == "-" }
    }
  }
}

extension Substring {
  /// The parts between signs, empty ones too; a mark behind a sign makes no other sign of it.
  fileprivate func parts(at sign: Unicode.Scalar) -> [Substring] {
    unicodeScalars.split(separator: sign, omittingEmptySubsequences: false).map { Substring($0) }
  }
}
