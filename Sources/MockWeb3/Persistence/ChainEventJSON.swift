import EthereumPrimitives
import PlumiseWire

extension ChainEvent {
  /// The event as a state file has it.
  var json: JSON {
    switch self {
    case .block(let timestamp, let transactions, let forced, let baseFee, let hash):
      let reverts = forced.sorted { $0.key < $1.key }.map { ("\($0.key)", JSON.hex($0.value)) }
      var object: JSONObject = [
        "event": "block", "timestamp": .quantity(timestamp),
        "transactions": .array(transactions.map { .hex($0) }),
        "forced": .object(JSONObject(uniqueMembers: reverts)), "hash": .hash(hash),
      ]
      object["baseFee"] = baseFee.map { .quantity($0) }
      return .object(object)
    case .waiting(let raw): return ["event": "waiting", "transaction": .hex(raw)]
    case .dropped(let hash): return ["event": "dropped", "hash": .hash(hash)]
    case .edit(.balance(let address, let balance)):
      return ["event": "balance", "address": .address(address), "value": .quantity(balance)]
    case .edit(.credit(let address, let amount)):
      return ["event": "credit", "address": .address(address), "value": .quantity(amount)]
    case .edit(.nonce(let address, let nonce)):
      return ["event": "nonce", "address": .address(address), "value": .quantity(nonce)]
    case .settings(let settings):
      return [
        "event": "settings", "clockOffset": .integer(settings.clockOffset),
        "nextTimestamp": settings.nextTimestamp.map { .quantity($0) } ?? .null,
        "nextBaseFee": settings.nextBaseFee.map { .quantity($0) } ?? .null,
        "automatic": .bool(settings.isAutomatic),
        "intervalMilliseconds": settings.intervalMilliseconds.map { .integer($0) } ?? .null,
      ]
    case .emptied: return ["event": "emptied"]
    case .takenBack(let step): return ["event": "takenBack", "to": .integer(step)]
    }
  }

  /// Reads one step of a state file.
  init(_ json: JSON) throws {
    let fields = try RPCValue(json: json, position: 0).fields(of: "state")
    func field(_ name: String) throws -> RPCValue {
      guard let field = fields[name] else { throw StateFileError.missingField(name) }
      return field
    }
    switch try field("event").string() {
    case "block":
      let transactions = try field("transactions").array().map { try $0.bytes() }
      var forced: [Int: [UInt8]] = [:]
      for member in json["forced"]?.objectValue?.members ?? [] {
        guard let index = Int(member.key), transactions.indices.contains(index) else {
          throw StateFileError.missingField("forced")
        }
        forced[index] = try RPCValue(json: member.value, position: 0).bytes()
      }
      self = .block(
        timestamp: try field("timestamp").uint64(), transactions: transactions, forced: forced,
        baseFee: try fields["baseFee"]?.word(), hash: try field("hash").hash())
    case "waiting": self = .waiting(try field("transaction").bytes())
    case "dropped": self = .dropped(try field("hash").hash())
    case "balance":
      self = .edit(.balance(try field("address").address(), try field("value").word()))
    case "credit":
      self = .edit(.credit(try field("address").address(), try field("value").word()))
    case "nonce":
      self = .edit(.nonce(try field("address").address(), try field("value").uint64()))
    case "settings":
      guard let offset = json["clockOffset"]?.integerValue else {
        throw StateFileError.missingField("clockOffset")
      }
      self = .settings(
        ChainSettings(
          clockOffset: offset, nextTimestamp: try fields["nextTimestamp"]?.uint64(),
          nextBaseFee: try fields["nextBaseFee"]?.word(),
          isAutomatic: try field("automatic").bool(),
          intervalMilliseconds: try Self.interval(fields["intervalMilliseconds"])))
    case "emptied": self = .emptied
    case "takenBack":
      guard let step = json["to"]?.integerValue.flatMap({ Int(exactly: $0) }) else {
        throw StateFileError.missingField("to")
      }
      self = .takenBack(to: step)
    case let name: throw StateFileError.unknownEvent(name)
    }
  }

  private static func interval(_ value: RPCValue?) throws -> Int64? {
    guard let value else { return nil }
    guard let milliseconds = value.json.integerValue, milliseconds > 0,
      .milliseconds(milliseconds) <= MiningMode.longestInterval
    else { throw StateFileError.missingField("intervalMilliseconds") }
    return milliseconds
  }
}
