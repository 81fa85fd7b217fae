import EthereumPrimitives
import PlumiseWire

/// Encodes structures for their hashes (EIP-712, `encodeData` and `encodeType`).
struct TypedDataEncoder {
  let types: [String: [TypedData.Field]]
  let version: TypedData.Version
  /// The hashes of the types that were needed so far.
  private var typeHashes: [String: Hash32] = [:]
  /// How many more characters of types are hashed: each type's text has all that it refers to, so that a chain
  /// of types would have the square of its length.
  private var charactersLeft = 16 << 20

  init(types: [String: [TypedData.Field]], version: TypedData.Version) {
    self.types = types
    self.version = version
  }

  /// The hash of a structure.
  /// - Parameter path: where the value is, for errors.
  mutating func structHash(
    of type: String, _ value: JSON, at path: String
  ) throws(TypedDataError) -> Hash32 {
    guard let object = value.objectValue else {
      throw .mismatched(path, type: type, actual: value.summary)
    }
    var bytes = try typeHash(of: type).bytes
    for field in types[type] ?? [] {
      bytes += try encode(object[field.name], as: field.type, at: "\(path).\(field.name)")
    }
    return Keccak256.hash(bytes)
  }

  /// The 32 bytes that stand for a value.
  private mutating func encode(
    _ value: JSON?, as type: String, at path: String
  ) throws(TypedDataError) -> [UInt8] {
    if type.hasSuffix("]") { return try encodeArray(value, as: type, at: path) }
    if types[type] != nil {
      guard let value, !value.isNull else {
        // A recursive structure ends so: nothing stands for it.
        guard version == .four else { throw .notInVersion3(path, type: "null \(type)") }
        return Hash32.zero.bytes
      }
      return try structHash(of: type, value, at: path).bytes
    }
    guard let atomic = AtomicType(type) else { throw .unknownType(type, field: path) }
    guard let value, !value.isNull else { throw .missing(path, type: type) }
    guard let bytes = atomic.encode(value) else {
      throw .mismatched(path, type: type, actual: value.summary)
    }
    return bytes
  }

  private mutating func encodeArray(
    _ value: JSON?, as type: String, at path: String
  ) throws(TypedDataError) -> [UInt8] {
    guard version == .four else { throw .notInVersion3(path, type: type) }
    guard let opening = type.lastIndex(of: "[") else { throw .unknownType(type, field: path) }
    let element = String(type[..<opening])
    let digits = type[type.index(after: opening)...].dropLast()
    let count = Int(digits)
    guard digits.isEmpty || count.map({ $0 >= 0 && "\($0)" == digits }) == true else {
      throw .unknownType(type, field: path)
    }
    guard let value, !value.isNull else { throw .missing(path, type: type) }
    guard let elements = value.arrayValue else {
      throw .mismatched(path, type: type, actual: value.summary)
    }
    if let count, elements.count != count {
      throw .wrongCount(path, type: type, actual: elements.count)
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(32 * elements.count)
    for (index, value) in elements.enumerated() {
      bytes += try encode(value, as: element, at: "\(path)[\(index)]")
    }
    return Keccak256.hash(bytes).bytes
  }

  /// keccak256 of the type with all that it refers to, as `Mail(Person from)Person(string name)`.
  private mutating func typeHash(of type: String) throws(TypedDataError) -> Hash32 {
    if let hash = typeHashes[type] { return hash }
    var referenced: Set<String> = [type]
    var waiting = [type]
    while let next = waiting.popLast() {
      for field in types[next] ?? [] {
        let core = String(field.type.prefix { $0 != "[" })
        guard types[core] != nil else {
          guard AtomicType(core) != nil else {
            throw .unknownType(field.type, field: "types.\(next).\(field.name)")
          }
          continue
        }
        if referenced.insert(core).inserted { waiting.append(core) }
      }
      charactersLeft -= next.utf8.count + (types[next] ?? []).reduce(0) { $0 + $1.length }
      guard charactersLeft >= 0 else { throw .typesTooLong }
    }
    referenced.remove(type)
    let text = ([type] + referenced.sorted()).map { name in
      let fields = (types[name] ?? []).map { "\($0.type) \($0.name)" }
      return "\(name)(\(fields.joined(separator: ",")))"
    }.joined()
    let hash = Keccak256.hash(text)
    typeHashes[type] = hash
    return hash
  }
}

/// The types of EIP-712 that are no structures and no arrays.
enum AtomicType: Hashable {
  case address, bool, string, bytes
  /// Of 1 to 32 bytes.
  case fixedBytes(Int)
  /// Of 8 to 256 bits.
  case uint(bits: Int)
  case int(bits: Int)

  /// The type of a name; nil when it is another one.
  init?(_ name: String) {
    switch name {
    case "address": self = .address
    case "bool": self = .bool
    case "string": self = .string
    case "bytes": self = .bytes
    // Solidity's short forms, which a type's hash keeps as they are.
    case "uint": self = .uint(bits: 256)
    case "int": self = .int(bits: 256)
    default:
      let digits = name.drop { !("0"..."9").contains($0) }
      // One spelling only: no sign, no leading zeros.
      guard let size = Int(digits), "\(size)" == digits else { return nil }
      switch name.dropLast(digits.count) {
      case "bytes" where (1...32).contains(size): self = .fixedBytes(size)
      case "uint" where Self.isWidth(size): self = .uint(bits: size)
      case "int" where Self.isWidth(size): self = .int(bits: size)
      default: return nil
      }
    }
  }

  private static func isWidth(_ bits: Int) -> Bool {
    (8...256).contains(bits) && bits.isMultiple(of: 8)
  }

  /// The 32 bytes that stand for a value; nil when the value is none of the type.
  func encode(_ value: JSON) -> [UInt8]? {
    switch self {
    case .bool: value.boolValue.map { ABI.word($0) }
    case .string: value.stringValue.map { Keccak256.hash($0).bytes }
    case .address: Self.byteString(value).flatMap { try? Address(bytes: $0) }.map { ABI.word($0) }
    case .bytes: Self.byteString(value).map { Keccak256.hash($0).bytes }
    case .fixedBytes(let count):
      Self.byteString(value).flatMap { bytes in
        bytes.count == count ? bytes + [UInt8](repeating: 0, count: 32 - count) : nil
      }
    case .uint(let bits):
      Self.integer(value).flatMap { integer in
        guard !integer.isNegative, integer.magnitude.bitCount <= bits else { return nil }
        return integer.magnitude.bigEndianBytes
      }
    case .int(let bits):
      Self.integer(value).flatMap { integer in
        let bound = Word(1) << (bits - 1)
        if !integer.isNegative {
          return integer.magnitude < bound ? integer.magnitude.bigEndianBytes : nil
        }
        return integer.magnitude <= bound ? (Word.zero &- integer.magnitude).bigEndianBytes : nil
      }
    }
  }

  private static func byteString(_ value: JSON) -> [UInt8]? {
    // What is no hexadecimal text is no byte string.
    value.stringValue.flatMap { try? Hex.decode($0, prefix: .anyCase) }
  }

  /// A whole number: of JSON, or a text of decimal or, behind 0x, of hexadecimal digits.
  private static func integer(_ value: JSON) -> (isNegative: Bool, magnitude: Word)? {
    let text: String
    switch value {
    case .number(let number) where number.isInteger: text = number.text
    case .string(let digits): text = digits
    default: return nil
    }
    let isSigned = text.hasPrefix("-")
    guard let magnitude = GethValue.number(isSigned ? String(text.dropFirst()) : text) else {
      return nil
    }
    return (isSigned && !magnitude.isZero, magnitude)
  }
}
