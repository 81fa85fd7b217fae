package import EthereumPrimitives
package import PlumiseWire

/// Structured data that wallets show and sign (EIP-712), in the JSON form of
/// `eth_signTypedData_v4`: `types`, `primaryType`, `domain` and `message`.
package struct TypedData: Sendable {
  /// A member of a structure.
  package struct Field: Hashable, Sendable {
    package let name: String
    /// The type as the structure declares it, as `Person[]`.
    package let type: String

    /// How many characters it has in the text of its structure's type, about.
    var length: Int { type.utf8.count + name.utf8.count + 2 }
  }

  /// What may be signed.
  package enum Version: Sendable {
    /// `eth_signTypedData_v3`: no arrays, and no structure is null.
    case three
    /// `eth_signTypedData_v4`: all types.
    case four
  }

  /// The structures by their names; `EIP712Domain` is always among them.
  package let types: [String: [Field]]
  package let primaryType: String
  package let domain: JSON
  package let message: JSON

  /// The name of the domain's structure.
  private static let domainType = "EIP712Domain"

  /// The fields that a domain may have, in their order.
  private static let domainFields = [
    Field(name: "name", type: "string"), Field(name: "version", type: "string"),
    Field(name: "chainId", type: "uint256"), Field(name: "verifyingContract", type: "address"),
    Field(name: "salt", type: "bytes32"),
  ]

  /// Reads the JSON form.
  ///
  /// Where the types lack `EIP712Domain`, the domain's own members say what it is, as in ethers.
  /// - Throws: ``TypedDataError`` for a part that is missing, or not what it should be.
  package init(_ json: JSON) throws(TypedDataError) {
    func part(_ name: String, _ expected: String) throws(TypedDataError) -> JSON {
      guard let part = json[name] else { throw .malformed(name, expected: expected, actual: nil) }
      return part
    }
    let declarations = try part("types", "an object")
    guard let structures = declarations.objectValue else {
      throw .malformed("types", expected: "an object", actual: declarations.summary)
    }
    var types: [String: [Field]] = [:]
    for member in structures.members {
      types[member.key] = try Self.fields(member.value, of: member.key)
    }
    domain = try part("domain", "an object")
    guard let domainObject = domain.objectValue else {
      throw .malformed("domain", expected: "an object", actual: domain.summary)
    }
    if types[Self.domainType] == nil {
      for name in domainObject.keys where !Self.domainFields.contains(where: { $0.name == name }) {
        throw .unknownDomainField(name)
      }
      types[Self.domainType] = Self.domainFields.filter { domainObject[$0.name] != nil }
    }
    self.types = types
    let name = try part("primaryType", "the name of a type")
    guard let primaryType = name.stringValue, types[primaryType] != nil else {
      throw .malformed("primaryType", expected: "the name of one of types", actual: name.summary)
    }
    self.primaryType = primaryType
    message = try part("message", "an object")
  }

  private static func fields(_ json: JSON, of type: String) throws(TypedDataError) -> [Field] {
    guard isName(type), AtomicType(type) == nil else { throw .unusableName(type) }
    guard let members = json.arrayValue else {
      throw .malformed("types.\(type)", expected: "an array", actual: json.summary)
    }
    var fields: [Field] = []
    for (index, member) in members.enumerated() {
      guard let name = member["name"]?.stringValue, let of = member["type"]?.stringValue else {
        throw .malformed(
          "types.\(type)[\(index)]", expected: "an object with name and type, both texts",
          actual: member.summary)
      }
      fields.append(Field(name: name, type: of))
    }
    return fields
  }

  /// Whether a text can name a structure: an identifier, as in Solidity.
  private static func isName(_ text: String) -> Bool {
    guard let first = text.utf8.first, !(0x30...0x39).contains(first) else { return false }
    return text.utf8.allSatisfy { character in
      switch character {
      // A digit, a letter, $ or _.
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x24, 0x5f: true
      default: false
      }
    }
  }

  /// The hash of the domain, which binds a signature to a chain and a contract.
  /// - Throws: ``TypedDataError`` for a value that is missing or none of its type.
  package func domainSeparator(
    _ version: Version = .four
  ) throws(TypedDataError) -> Hash32 {
    var encoder = TypedDataEncoder(types: types, version: version)
    return try encoder.structHash(of: Self.domainType, domain, at: "domain")
  }

  /// The hash of the message.
  /// - Throws: ``TypedDataError`` for a value that is missing or none of its type.
  package func messageHash(_ version: Version = .four) throws(TypedDataError) -> Hash32 {
    var encoder = TypedDataEncoder(types: types, version: version)
    return try encoder.structHash(of: primaryType, message, at: "message")
  }

  /// The digest that is signed: of 0x1901, the domain's hash and the message's.
  ///
  /// Of a message that is a domain itself the last is left out, as MetaMask does.
  /// - Throws: ``TypedDataError`` for a value that is missing or none of its type.
  package func signingHash(_ version: Version = .four) throws(TypedDataError) -> Hash32 {
    var bytes = [0x19, 0x01] + (try domainSeparator(version)).bytes
    if primaryType != Self.domainType { bytes += (try messageHash(version)).bytes }
    return Keccak256.hash(bytes)
  }
}

/// Why typed data cannot be hashed.
package enum TypedDataError: Error, Hashable, Sendable, CustomStringConvertible {
  /// A part is missing (`actual` is nil), or something else than it should be.
  case malformed(_ part: String, expected: String, actual: String?)
  /// The domain has a field that EIP-712 does not know, and the types do not declare.
  case unknownDomainField(String)
  /// A structure has the name of an atomic type, or one that is no identifier.
  case unusableName(String)
  /// A field has a type that is not atomic and not declared.
  case unknownType(String, field: String)
  /// A field has no value, or null.
  case missing(_ field: String, type: String)
  /// A value is none of its type.
  case mismatched(_ field: String, type: String, actual: String)
  /// An array of a fixed length has another one.
  case wrongCount(_ field: String, type: String, actual: Int)
  /// Version 3 has no such value.
  case notInVersion3(_ field: String, type: String)
  /// The types refer to more of one another than is hashed.
  case typesTooLong

  /// One line that names the field and its type.
  package var description: String {
    switch self {
    case .malformed(let part, let expected, let actual):
      "\(part) \(actual.map { "is \($0)" } ?? "is missing"): it must be \(expected)"
    case .unknownDomainField(let name):
      "domain.\(name) is no field of EIP712Domain: declare it in types.EIP712Domain"
    case .unusableName(let name):
      "types.\(name) cannot be declared: a structure has an identifier that no type of EIP-712 has"
    case .unknownType(let type, let field):
      "\(field) has the type \(type), which types does not declare"
    case .missing(let field, let type): "\(field) is missing: its type is \(type)"
    case .mismatched(let field, let type, let actual): "\(field) is no \(type): \(actual)"
    case .wrongCount(let field, let type, let actual):
      "\(field) is no \(type): it has \(actual) elements"
    case .typesTooLong: "the types of the structures have more than 16 million characters in all"
    case .notInVersion3(let field, let type):
      "\(field) is a \(type), which version 3 cannot sign: use eth_signTypedData_v4"
    }
  }
}
