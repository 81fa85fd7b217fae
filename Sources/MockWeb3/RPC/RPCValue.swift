import EthereumPrimitives
import PlumiseWire

/// One value that a client sent, and where it stood: decoding it fails in geth's words.
struct RPCValue {
  let json: JSON
  /// The argument's position.
  let position: Int
  /// The field of the argument, as `TransactionArgs.data`, when the value is part of an object.
  var field: String?

  private func failure(_ reason: String) -> RPCFailure { .invalidArgument(position, reason) }

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

  func array() throws -> [RPCValue] {
    guard case .array(let values) = json else { throw mismatch(kind, "[]interface {}") }
    return values.map { RPCValue(json: $0, position: position, field: field) }
  }

  /// The fields of an object; those that are null count as absent.
  func fields(of type: String) throws -> [String: RPCValue] {
    guard case .object = json else { throw mismatch(kind, type) }
    var fields: [String: RPCValue] = [:]
    for member in json.objectValue?.members ?? [] where !member.value.isNull {
      fields[member.key] = RPCValue(
        json: member.value, position: position, field: "\(type).\(member.key)")
    }
    return fields
  }

  func bytes(_ type: String = "hexutil.Bytes") throws -> [UInt8] {
    guard case .string(let text) = json else { throw mismatch("non-string", type) }
    do {
      return text.isEmpty ? [] : try Hex.decode(text)
    } catch HexError.missingPrefix {
      throw mismatch("hex string without 0x prefix", type)
    } catch HexError.oddLength {
      throw mismatch("hex string of odd length", type)
    } catch {
      throw mismatch("invalid hex string", type)
    }
  }

  func address() throws -> Address {
    let bytes = try bytes("common.Address")
    do { return try Address(bytes: bytes) } catch {
      throw failure("hex string has length \(bytes.count * 2), want 40 for common.Address")
    }
  }

  func hash() throws -> Hash32 {
    let bytes = try bytes("common.Hash")
    do { return try Hash32(bytes: bytes) } catch {
      throw failure("hex string has length \(bytes.count * 2), want 64 for common.Hash")
    }
  }

  func word(_ type: String = "*hexutil.Big") throws -> Word {
    guard case .string(let text) = json else { throw mismatch("non-string", type) }
    do { return try Quantity.decode(text) } catch { throw mismatch("\(error)", type) }
  }

  func uint64() throws -> UInt64 {
    guard let value = try word("hexutil.Uint64").exactUInt64() else {
      throw mismatch("hex number > 64 bits", "hexutil.Uint64")
    }
    return value
  }

  /// A number that test tools send in any form: a JSON integer, hexadecimal or decimal text.
  func looseUInt64() throws -> UInt64 {
    switch json {
    case .number(let number):
      if let value = number.integer, value >= 0 { return UInt64(value) }
    case .string(let text):
      if let value = UInt64(text) { return value }
      return try uint64()
    default: break
    }
    throw mismatch(kind, "math.HexOrDecimal64")
  }

  /// An access list (EIP-2930).
  func accessList() throws -> [AccessListEntry] {
    try array().map { entry in
      let fields = try entry.fields(of: "AccessTuple")
      func needed(_ name: String) throws -> RPCValue {
        guard let value = fields[name] else {
          throw failure("missing required field '\(name)' for AccessTuple")
        }
        return value
      }
      return AccessListEntry(
        address: try needed("address").address(),
        storageKeys: try needed("storageKeys").array().map { try $0.hash() })
    }
  }

  func blockTag() throws -> BlockTag {
    let text = try string()
    if let tag = BlockTag(name: text) { return tag }
    do {
      guard let number = try Quantity.decode(text).exactUInt64(), number <= UInt64(Int64.max) else {
        throw failure("block number larger than int64")
      }
      return .number(number)
    } catch let error as QuantityError {
      throw failure("\(error)")
    }
  }

  func blockReference() throws -> BlockReference {
    if case .string(let text) = json, text.utf8.count == 66 { return .hash(try hash()) }
    guard case .object = json else { return .tag(try blockTag()) }
    let fields = try fields(of: "rpc.BlockNumberOrHash")
    switch (fields["blockHash"], fields["blockNumber"]) {
    case (let hash?, nil): return .hash(try hash.hash())
    case (nil, let number?): return .tag(try number.blockTag())
    case (.some, .some):
      throw failure("cannot specify both BlockHash and BlockNumber, choose one or the other")
    case (nil, nil): throw failure("missing blockHash or blockNumber")
    }
  }
}
