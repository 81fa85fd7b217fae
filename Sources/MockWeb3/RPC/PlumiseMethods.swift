import EthereumPrimitives
import PlumiseWire

/// `plumise_`: what only this chain can do.
enum PlumiseMethods {
  static let table: [String: RPCMethod] = [
    "plumise_setFaults": RPCMethod(arguments: 2) { arguments in
      let rules = try arguments.required(0).array().map { try ChainFaultRule($0) }
      let seed = try arguments.optional(1)?.looseUInt64()
      return { chain, _ in
        chain.faults.clear()
        if let seed { chain.faults.seed = seed }
        for rule in rules { chain.faults.add(rule) }
        return true
      }
    },
    "plumise_stallBlocks": RPCMethod(arguments: 1) { arguments in
      let isStalled = try arguments.required(0).bool()
      return { chain, _ in
        chain.faults.isProductionStalled = isStalled
        return true
      }
    },
    "plumise_fund": RPCMethod(arguments: 2) { arguments in
      let (address, amount) = (try arguments.address(0), try arguments.required(1).word())
      return { chain, _ in
        chain.edit(.credit(address, amount))
        return .quantity(chain.state[address].balance)
      }
    },
  ]
}

extension ChainFaultRule {
  /// A rule as JSON: `fault`, its own fields, and optionally `method`, `sender`, `count` (0 for
  /// always) and `probability`.
  init(_ value: RPCValue) throws {
    let fields = try value.fields(of: "Fault")
    func needed(_ name: String) throws -> RPCValue {
      guard let field = fields[name] else {
        throw RPCFailure.invalidArgument(value.position, "a fault needs the field \(name)")
      }
      return field
    }
    let name = try needed("fault").string()
    switch name {
    case "revert": fault = .revert(reason: try fields["reason"]?.string() ?? "forced")
    case "drop": fault = .drop
    case "withholdReceipt": fault = .withholdReceipt(blocks: try needed("blocks").looseUInt64())
    case "loseReceipt": fault = .loseReceipt
    case "stall": fault = .stall
    case "reorganise":
      let depth = Int(clamping: try needed("depth").looseUInt64())
      guard depth > 0 else {
        throw RPCFailure.invalidArgument(value.position, "a reorganisation is 1 deep at least")
      }
      fault = .reorganise(depth: depth)
    case "reset": fault = .reset(afterHandling: try fields["afterHandling"]?.bool() ?? false)
    case "error":
      guard case .number(let number) = try needed("code").json, let code = number.integer else {
        throw RPCFailure.invalidArgument(value.position, "an error's code is an integer")
      }
      fault = .refuse(RPCFailure(code: Int(code), message: try needed("message").string()))
    case "delay":
      fault = .delay(.milliseconds(Int64(clamping: try needed("milliseconds").looseUInt64())))
    default: throw RPCFailure.invalidArgument(value.position, "unknown fault \"\(name)\"")
    }
    method = try fields["method"]?.string()
    sender = try fields["sender"]?.address()
    let times = try fields["count"]?.looseUInt64() ?? 1
    count = times == 0 ? nil : Int(clamping: times)
    probability = 1
    if let odds = fields["probability"] {
      guard let number = odds.json.doubleValue, (0...1).contains(number) else {
        throw RPCFailure.invalidArgument(value.position, "a probability is from 0 to 1")
      }
      probability = number
    }
  }
}
