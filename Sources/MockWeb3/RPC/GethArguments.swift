import EthereumPrimitives
import PlumiseWire

/// The arguments of a request, by position.
struct GethArguments {
  private let values: [JSON]

  init(_ values: [JSON]) { self.values = values }

  var count: Int { values.count }

  /// An argument that may be left out or null.
  func optional(_ position: Int) -> GethValue? {
    guard position < values.count, values[position] != .null else { return nil }
    return GethValue(json: values[position], position: position)
  }

  /// An argument that must be there.
  func required(_ position: Int) throws -> GethValue {
    guard let value = optional(position) else { throw RPCFailure.missingArgument(position) }
    return value
  }

  func address(_ position: Int) throws -> Address { try required(position).address() }
  func hash(_ position: Int) throws -> Hash32 { try required(position).hash() }
  func block(_ position: Int) throws -> BlockReference { try required(position).blockReference() }
}

/// One value of a request and its position; decoding fails with go-ethereum's messages.
struct GethValue {
  let json: JSON
  /// The argument's position.
  let position: Int
  /// The field of the argument, as `TransactionArgs.data`, when the value is part of an object.
  var field: String?

  func failure(_ reason: String) -> RPCFailure { .invalidArgument(position, reason) }

  private func mismatch(_ what: String, _ type: String) -> RPCFailure {
    let place = field.map { "struct field \($0)" } ?? "value"
    return failure("json: cannot unmarshal \(what) into Go \(place) of type \(type)")
  }

  /// The name that Go's JSON decoder has for a kind of value.
  private var kind: String {
    switch json {
    case .null: "null"
    case .bool: "bool"
    case .number: "number"
    case .string: "string"
    case .array: "array"
    case .object: "object"
    }
  }

  func string() throws -> String {
    guard case .string(let text) = json else { throw mismatch(kind, "string") }
    return text
  }

  func bool() throws -> Bool {
    guard case .bool(let value) = json else { throw mismatch(kind, "bool") }
    return value
  }

  func int() throws -> Int64 {
    guard case .number(let number) = json else { throw mismatch(kind, "int") }
    guard let value = json.integerValue else { throw mismatch("number \(number.text)", "int") }
    return value
  }

  func array() throws -> [GethValue] {
    guard case .array(let values) = json else { throw mismatch(kind, "[]interface {}") }
    return values.map { GethValue(json: $0, position: position, field: field) }
  }

  /// The fields of an object; those that are null count as absent.
  func fields(of type: String) throws -> [String: GethValue] {
    guard case .object = json else { throw mismatch(kind, type) }
    var fields: [String: GethValue] = [:]
    for member in json.objectValue?.members ?? [] where !member.value.isNull {
      fields[member.key] = GethValue(
        json: member.value, position: position, field: "\(type).\(member.key)")
    }
    return fields
  }

  func bytes(_ type: String = "hexutil.Bytes") throws -> [UInt8] {
    guard case .string(let text) = json else { throw mismatch("non-string", type) }
    do {
      return text.isEmpty ? [] : try Hex.decode(text, prefix: .anyCase)
    } catch HexError.missingPrefix {
      throw mismatch("hex string without 0x prefix", type)
    } catch HexError.oddLength {
      throw mismatch("hex string of odd length", type)
    } catch {
      throw mismatch("invalid hex string", type)
    }
  }

  /// Bytes of a fixed count; geth looks at the length before it looks at the digits.
  private func fixed(_ count: Int, _ type: String) throws -> [UInt8] {
    if case .string(let text) = json, text.isEmpty || Self.hasPrefix(text) {
      let digits = max(0, text.utf8.count - 2)
      guard !digits.isMultiple(of: 2) || digits == count * 2 else {
        throw failure("hex string has length \(digits), want \(count * 2) for \(type)")
      }
    }
    return try bytes(type)
  }

  private static func hasPrefix(_ text: String) -> Bool {
    text.hasPrefix("0x") || text.hasPrefix("0X")
  }

  func address() throws -> Address { try Address(bytes: fixed(20, "common.Address")) }

  func hash() throws -> Hash32 { try Hash32(bytes: fixed(32, "common.Hash")) }

  func word(_ type: String = "*hexutil.Big") throws -> Word {
    guard case .string(let text) = json else { throw mismatch("non-string", type) }
    // Without any text it is zero, as in geth.
    if text.isEmpty { return .zero }
    do { return try Quantity.decode(text, prefix: .anyCase) } catch {
      throw mismatch("\(error)", type)
    }
  }

  func uint64(_ type: String = "hexutil.Uint64") throws -> UInt64 {
    do {
      if let value = try word(type).exactUInt64() { return value }
    } catch let failure as RPCFailure {
      guard failure.message.contains("\(QuantityError.tooLong(digits: 0))") else { throw failure }
    }
    throw mismatch("hex number > 64 bits", type)
  }

  /// A number as geth reads one that may be decimal: eth_feeHistory's count of blocks.
  func hexOrDecimal64() throws -> UInt64 {
    let text: String
    switch json {
    case .string(let content): text = content
    case let other: text = other.text
    }
    if text.isEmpty { return 0 }
    let digits = Self.hasPrefix(text) ? text.dropFirst(2) : text[...]
    let radix = Self.hasPrefix(text) ? 16 : 10
    guard !digits.hasPrefix("+"), let value = UInt64(digits, radix: radix) else {
      throw failure("invalid hex or decimal integer \"\(text)\"")
    }
    return value
  }

  /// An access list (EIP-2930).
  func accessList() throws -> [AccessListEntry] {
    try array().map { entry in
      let fields = try entry.fields(of: "AccessTuple")
      func required(_ name: String) throws -> GethValue {
        guard let value = fields[name] else {
          throw failure("missing required field '\(name)' for AccessTuple")
        }
        return value
      }
      return AccessListEntry(
        address: try required("address").address(),
        storageKeys: try required("storageKeys").array().map { try $0.hash() })
    }
  }

  /// A height or a name; geth's own reader, which takes no value but text.
  func blockTag() throws -> BlockTag {
    guard case .string(let text) = json else { throw failure("hex string without 0x prefix") }
    return try blockTag(text, tooHigh: "block number larger than int64")
  }

  private func blockTag(_ text: String, tooHigh: String) throws -> BlockTag {
    if let tag = BlockTag(name: text) { return tag }
    guard !text.isEmpty else { throw failure("empty hex string") }
    let number: Word
    do { number = try Quantity.decode(text, prefix: .anyCase) } catch {
      if case .tooLong = error { throw failure("hex number > 64 bits") }
      throw failure("\(error)")
    }
    guard let number = number.exactUInt64() else { throw failure("hex number > 64 bits") }
    guard number <= UInt64(Int64.max) else { throw failure(tooHigh) }
    return .number(number)
  }

  func blockReference() throws -> BlockReference {
    guard let reference = try optionalBlockReference() else {
      throw RPCFailure.refused("invalid arguments; neither block nor hash specified")
    }
    return reference
  }

  /// A block's reference; nil for an object that names none, which geth's reader takes.
  func optionalBlockReference() throws -> BlockReference? {
    if case .string(let text) = json {
      guard text.utf8.count == 66 else {
        return .tag(try blockTag(text, tooHigh: "blocknumber too high"))
      }
      guard Self.hasPrefix(text) else { throw failure("hex string without 0x prefix") }
      do { return .hash(try Hash32(bytes: Hex.decode(text, prefix: .anyCase))) } catch {
        throw failure("invalid hex string")
      }
    }
    guard case .object = json else { throw mismatch(kind, "string") }
    let (hash, tag): (Hash32?, BlockTag?)
    do {
      let fields = try fields(of: "rpc.BlockNumberOrHash")
      hash = try fields["blockHash"]?.hash()
      tag = try fields["blockNumber"]?.blockTag()
      _ = try fields["requireCanonical"]?.bool()
    } catch {
      // geth then tries to read a text, and tells how that failed.
      throw mismatch("object", "string")
    }
    switch (hash, tag) {
    case (let hash?, nil): return .hash(hash)
    case (nil, let tag?): return .tag(tag)
    case (.some, .some):
      throw failure("cannot specify both BlockHash and BlockNumber, choose one or the other")
    case (nil, nil): return nil
    }
  }
}

/// Numbers as the helpers of development chains take them, which is more freely than geth does.
///
/// Anvil takes JSON integers, decimal text and hexadecimal text with leading zeros or without;
/// Hardhat takes numbers and quantities. What does not fit is refused with its name and its limits.
extension GethValue {
  /// A whole number of a range.
  /// - Parameters:
  ///   - name: what the number is, for the refusal.
  ///   - range: the least and the greatest.
  func number(_ name: String, in range: ClosedRange<UInt64> = 0...UInt64.max) throws -> UInt64 {
    guard let number = anyNumber?.exactUInt64(), range.contains(number) else {
      throw refusal(name, "\(range.lowerBound)", "\(range.upperBound)")
    }
    return number
  }

  /// A whole number of up to 256 bits, such as an amount in wei.
  /// - Parameter name: what the number is, for the refusal.
  func amount(_ name: String) throws -> Word {
    guard let number = anyNumber else { throw refusal(name, "0", "2^256 - 1") }
    return number
  }

  private func refusal(_ name: String, _ least: String, _ greatest: String) -> RPCFailure {
    let text = json.text
    let shown = text.utf8.count <= 100 ? text : "\(text.prefix(100))…"
    return failure("\(name) is a whole number from \(least) to \(greatest), not \(shown)")
  }

  /// The number, in any of the spellings; nil when it is none, negative, broken or too large.
  private var anyNumber: Word? {
    switch json {
    case .string(let text): Self.number(text)
    case .number(let number):
      // JavaScript writes no difference between 5 and 5.0.
      number.isInteger
        ? Self.number(number.text == "-0" ? "0" : number.text)
        : UInt64(exactly: number.double).map { Word($0) }
    default: nil
    }
  }

  /// The number of decimal digits, or behind 0x of hexadecimal ones; nil when the text is none.
  static func number(_ text: String) -> Word? {
    guard text.hasPrefix("0x") || text.hasPrefix("0X") else { return try? Word(decimal: text) }
    let digits = text.utf8.dropFirst(2).drop { $0 == UInt8(ascii: "0") }
    guard !digits.isEmpty else { return .zero }
    return try? Quantity.decode("0x" + String(decoding: digits, as: UTF8.self))
  }
}

/// A height, or a name for one.
enum BlockTag: Hashable, Sendable {
  case number(UInt64)
  case latest, pending, earliest
  /// The latest block, since a chain with one sealer has no later finality.
  case safe, finalized

  /// The height or tag of a name.
  init?(name: String) {
    switch name {
    case "latest": self = .latest
    case "safe": self = .safe
    case "finalized": self = .finalized
    case "pending": self = .pending
    case "earliest": self = .earliest
    default: return nil
    }
  }
}

/// A block by its height, its name or its hash.
enum BlockReference: Hashable, Sendable {
  case tag(BlockTag)
  case hash(Hash32)

  /// Whether it names one block for ever, and not whichever is the latest.
  var isExact: Bool {
    switch self {
    case .hash, .tag(.number): true
    case .tag: false
    }
  }
}
