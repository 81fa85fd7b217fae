import EthereumPrimitives
import PlumiseWire

/// `agent_`: what the precompiles know of an agent (Wire.md, JSON-RPC).
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

  /// `active` is the stored status: the real chain says so of an agent that never beat.
  private static func status(_ address: Address, _ record: AgentRecord?) -> JSON {
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

  private static func meta(_ record: AgentRecord) -> JSON {
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
