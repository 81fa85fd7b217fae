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
    /// Another member, whose value takes this one's place unless JavaScript takes it for false; being
    /// unknown, it is refused all the same.
    let alias: String?

    init(
      _ name: String, _ constraint: Constraint, optional: Bool = false, alias: String? = nil
    ) {
      self.name = name
      self.constraint = constraint
      isOptional = optional
      self.alias = alias
    }

    /// The property's value in an object.
    func value(in object: JSONObject) -> JSON? {
      guard let alias, let other = object[alias], other.isTruthy else { return object[name] }
      return other
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
    /// Any text but an empty one (`IsString`, `IsNotEmpty`).
    case isFilledString
    /// One of some texts (`IsEnum` of an array, whose message names none of them).
    case isEnum([String])
    /// A list of texts (`IsArray`, `IsString` for each); of one text in place of the list, only the
    /// list is missed.
    case isStringArray
    /// Anything at all (`Allow`).
    case isAnything
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
  func read(_ content: BodyParser.Content) throws(RejectionReason) -> JSONObject {
    let object: JSONObject
    switch content {
    case .json(let bytes): object = try Self.object(bytes)
    case .form(let fields): object = fields
    case .nothing: object = JSONObject()
    }
    var errors = FieldValidationErrors()
    validate(object, into: &errors)
    guard errors.all.isEmpty else { throw .invalid(errors.all) }
    return object
  }

  /// The object in a body; an array is one whose members are named by their places, and a body
  /// without a byte one without members.
  /// - Throws: ``RejectionReason/malformed(_:)``.
  static func object(_ bytes: [UInt8]) throws(RejectionReason) -> JSONObject {
    guard !bytes.isEmpty else { return JSONObject() }
    let body: JSON
    do { body = try JSON.parse(bytes) } catch {
      // What V8 reads and this parser does not is told in the parser's words.
      throw .malformed(V8SyntaxError(in: bytes)?.message ?? error.description)
    }
    switch body {
    case .object(let object): return object
    case .array(let elements): return Self.members(of: elements)
    default:
      throw .malformed(
        V8SyntaxError(in: bytes)?.message ?? "the body is neither an object nor an array")
    }
  }

  private static func members(of elements: [JSON]) -> JSONObject {
    JSONObject(uniqueMembers: elements.enumerated().map { (String($0.offset), $0.element) })
  }

  /// Names that class-transformer leaves out without a word: those of Object.prototype's functions,
  /// and those that the framework takes away.
  private static let passedOver: Set = [
    "__proto__", "prototype", "constructor", "toString", "toLocaleString", "valueOf",
    "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "__defineGetter__",
    "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
  ]

  /// The members that the class does not have, in the order in which JavaScript goes through them:
  /// numbers first, by size.
  private func unknown(in object: JSONObject) -> [String] {
    let names = object.members.compactMap { member in
      properties.contains { $0.name == member.key } || Self.passedOver.contains(member.key)
        ? nil : member.key
    }
    let numbers = names.compactMap(Self.index).sorted()
    guard !numbers.isEmpty else { return names }
    return numbers.map { String($0) } + names.filter { Self.index($0) == nil }
  }

  /// The number that a name is to JavaScript, which is at most 2³² − 2; nil for any other name.
  private static func index(_ name: String) -> UInt32? {
    UInt32(name).flatMap { $0 < .max && String($0) == name ? $0 : nil }
  }

  /// Adds what is wrong with an object: unknown properties first, then property by property.
  /// - Parameter path: where the object stands, with a point behind it; empty for the body.
  private func validate(
    _ object: JSONObject, at path: String = "", into errors: inout FieldValidationErrors
  ) {
    for name in unknown(in: object) {
      if errors.isFull { return }
      errors.add(path + name, "\(path)property \(name) should not exist")
    }
    for property in properties {
      let value = property.value(in: object)
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
    case .array(let elements): validate(elements, of: name, at: name, into: &errors)
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

  /// Adds what is wrong with the elements of a list; a list among them is gone through likewise.
  private func validate(
    _ elements: [JSON], of name: String, at path: String,
    into errors: inout FieldValidationErrors
  ) {
    for (index, element) in elements.enumerated() where !errors.isFull {
      let place = "\(path).\(index)"
      switch element {
      case .object(let object): validate(object, at: place + ".", into: &errors)
      case .array(let inner): validate(inner, of: name, at: place, into: &errors)
      default:
        errors.add(
          place, "\(path).each value in nested property \(name) must be either object or array")
      }
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
    case .isFilledString: Self.filledString(value, name)
    case .isEnum(let cases):
      value?.stringValue.map { text in cases.contains { $0.utf8.elementsEqual(text.utf8) } } == true
        ? [] : ["\(name) must be one of the following values: "]
    case .isStringArray: Self.strings(value, name)
    case .isAnything: []
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
      text.hasPrefix("0x") || text.hasPrefix("0X") ? text.dropFirst(2) : nil
    }
    let isAddress = digits.map { $0.utf8.count == 40 && $0.utf8.allSatisfy(isHexadecimal) }
    return isAddress == true ? [] : ["\(name) must be an Ethereum address"]
  }

  private static func filledString(_ value: JSON?, _ name: String) -> [String] {
    let isEmpty =
      switch value {
      case nil, .null, .string(""): true
      default: false
      }
    return (isEmpty ? ["\(name) should not be empty"] : [])
      + (value?.stringValue == nil ? ["\(name) must be a string"] : [])
  }

  private static func strings(_ value: JSON?, _ name: String) -> [String] {
    if value?.stringValue != nil { return ["\(name) must be an array"] }
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
      // A pair of surrogates counts once, a variation selector not at all; what is said of a text
      // of another length goes by its UTF-16 units.
      let characters = text.unicodeScalars.count { !(0xfe0e...0xfe0f).contains($0.value) }
      if characters == length { return [] }
      let count = text.utf16.count
      if count == length { return [between(name, length)] }
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

extension JSON {
  /// Whether JavaScript takes the value for true.
  fileprivate var isTruthy: Bool {
    switch self {
    case .null, .bool(false), .string(""): false
    case .number(let number): number.double != 0
    default: true
    }
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
    case .isFilledString: .filledText
    case .isEnum(let cases): .oneOf(cases)
    case .isStringArray: .list(.text)
    case .isAnything: .any
    case .isURL: .url
    case .isHexadecimal: .looseHash
    case .validateNested(let nested): .list(nested.schema)
    }
  }
}
