import EthereumPrimitives
import MockServing
import PlumiseWire

/// `plumise_`: what only this chain can do.
enum PlumiseMethods {
  static let table: [String: RPCMethod] = [
    "plumise_setFaults": RPCMethod(arguments: 2) { arguments in
      let rules = try arguments.required(0).array().map { try ChainFaultRule($0) }
      let seed = try arguments.optional(1)?.number("seed")
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
      let (address, amount) = (try arguments.address(0), try arguments.required(1).amount("wei"))
      return { chain, _ in
        chain.edit(.credit(address, amount))
        return .quantity(chain.state[address].balance)
      }
    },
  ]
}

extension ChainFaultRule {
  /// Every field that some rule has: one that is misspelt would be ignored silently.
  private static let fieldNames: Set = [
    "fault", "reason", "blocks", "depth", "afterHandling", "code", "message", "milliseconds",
    "method", "sender", "count", "skip", "probability",
  ]

  /// A rule as JSON: `fault`, its own fields, and optionally `method`, `sender` and the members of a
  /// `FaultSchedule`.
  init(_ value: GethValue) throws {
    let fields = try value.fields(of: "Fault")
    for name in fields.keys.sorted() where !Self.fieldNames.contains(name) {
      throw RPCFailure.invalidArgument(value.position, "a fault has no field \(name)")
    }
    func required(_ name: String) throws -> GethValue {
      guard let field = fields[name] else {
        throw RPCFailure.invalidArgument(value.position, "a fault needs the field \(name)")
      }
      return field
    }
    let name = try required("fault").string()
    switch name {
    case "revert": fault = .revert(reason: try fields["reason"]?.string() ?? "forced")
    case "drop": fault = .drop
    case "withholdReceipt":
      fault = .withholdReceipt(blocks: try required("blocks").number("blocks"))
    case "loseReceipt": fault = .loseReceipt
    case "stall": fault = .stall
    case "reorganise":
      let depth = try required("depth").number("depth", in: 1...UInt64.max)
      fault = .reorganise(depth: Int(clamping: depth))
    case "reset": fault = .reset(afterHandling: try fields["afterHandling"]?.bool() ?? false)
    case "error":
      guard case .number(let number) = try required("code").json, let code = number.integer else {
        throw RPCFailure.invalidArgument(value.position, "an error's code is an integer")
      }
      fault = .refuse(RPCFailure(code: Int(code), message: try required("message").string()))
    case "delay":
      let most = UInt64(MiningMode.longestInterval / .milliseconds(1))
      let count = try required("milliseconds").number("milliseconds", in: 0...most)
      fault = .delay(.milliseconds(count))
    default: throw RPCFailure.invalidArgument(value.position, "unknown fault \"\(name)\"")
    }
    method = try fields["method"]?.string()
    sender = try fields["sender"]?.address()
    var members = value.json.objectValue ?? [:]
    for name in ["count", "skip"] {
      // In any spelling that numbers have here.
      guard let number = try fields[name]?.number(name) else { continue }
      members[name] = .integer(Int(clamping: number))
    }
    do { schedule = try FaultSchedule(json: members) } catch {
      throw RPCFailure.invalidArgument(value.position, "\(error)")
    }
  }
}

/// `agent_`: the registrations in the precompiles (Wire.md, JSON-RPC).
enum AgentMethods {
  static let table: [String: RPCMethod] = [
    "agent_getStatus": RPCMethod(arguments: 1) { arguments in
      let address = try arguments.address(0)
      return { chain, _ in status(address, chain.state.agents[address]) }
    },
    "agent_isAgentAccount": RPCMethod(arguments: 2) { arguments in
      let (address, block) = (try arguments.address(0), try arguments.block(1))
      return { chain, now in
        .bool(try chain.view(block, now: now).state.agents.isRegistered(address))
      }
    },
    "agent_getAgentMeta": RPCMethod(arguments: 2) { arguments in
      let (address, block) = (try arguments.address(0), try arguments.block(1))
      return { chain, now in
        try chain.view(block, now: now).state.agents[address].map(meta) ?? .null
      }
    },
  ]

  /// `active` is the stored status, also of an agent without a heartbeat, as on the real chain.
  private static func status(_ address: Address, _ record: RegisteredAgent?) -> JSON {
    [
      "address": .address(address),
      "registered": .bool(record != nil),
      "active": .bool(record?.status == .active),
      "nodeId": .string(record.map { $0.nodeID == .zero ? "" : $0.nodeID.hex } ?? ""),
      "lastHeartbeat": .quantity(record?.lastHeartbeat ?? 0),
      "registeredAt": .quantity(record?.registeredAt ?? 0),
      "totalRewards": .quantity(record?.totalRewards ?? .zero),
      "metadata": .string(record?.metadata ?? ""),
    ]
  }

  private static func meta(_ record: RegisteredAgent) -> JSON {
    [
      "name": .string(record.metadata),
      "modelHash": .hash(record.modelHash),
      "capabilityCount": .quantity(UInt64(record.capabilities.count)),
      "capabilities": .array(record.capabilities.map { .hash($0) }),
      "registeredAt": .quantity(record.registeredAt),
      "lastHeartbeat": .quantity(record.lastHeartbeat),
      "inferenceCount": .quantity(record.inferenceCount),
      "totalTokensProcessed": .quantity(record.totalTokensProcessed),
      "stake": .quantity(record.stake),
      "status": .quantity(UInt64(record.status.rawValue)),
    ]
  }
}
