import EVM
import EthereumPrimitives
import PlumiseWire

/// The contract AgentRegistry and its ABI (Wire.md, Contracts).
enum AgentRegistryContract {
  private static let functions = ContractFunctions(agents.merging(ownership) { $1 })
  /// Those of chains in files of earlier versions of this package.
  private static let withoutOwnership = ContractFunctions(agents)

  private static let agents: [String: ContractFunction] = [
    "registerAgent(bytes32,string)": register,
    "heartbeat()": heartbeat,
    "updateMetadata(string)": updateMetadata,
    "deregisterAgent()": deregister,
    "slashAgent(address)": slash,
    "getAgent(address)": { _, arguments, execution throws(Revert) in
      encode(execution.state.registry[try arguments.address(0)])
    },
    "getAllAgents()": { _, _, execution in ABIResult.addresses(execution.state.registry.order) },
    "getTotalAgentCount()": { _, _, execution in
      ABIResult.words([Word(UInt64(execution.state.registry.count))])
    },
    "getActiveAgents()": { _, _, execution in ABIResult.addresses(activeAgents(execution)) },
    "getActiveAgentCount()": { _, _, execution in
      ABIResult.words([Word(UInt64(activeAgents(execution).count))])
    },
    "isActive(address)": { _, arguments, execution throws(Revert) in
      ABIResult.bool(execution.isActive(try arguments.address(0)))
    },
    "isRegistered(address)": { _, arguments, execution throws(Revert) in
      ABIResult.bool(execution.isRegistered(try arguments.address(0)))
    },
    "HEARTBEAT_TIMEOUT()": { _, _, _ in
      ABIResult.words([Word(RegisteredAgent.heartbeatTimeout)])
    },
  ]

  static func run(_ message: Message, in execution: Execution) throws(Revert) -> [UInt8] {
    execution.use(AgentRegistryGas.noFunction(message))
    let functions = execution.rules.registryIsOwnable ? functions : withoutOwnership
    return try functions.run(message, in: execution)
  }

  private static func activeAgents(_ execution: Execution) -> [Address] {
    execution.state.registry.activeAgents(at: execution.block.timestamp)
  }

  @Sendable private static func register(
    _ message: Message, _ arguments: ABIArguments, _ execution: Execution
  ) throws(Revert) -> [UInt8] {
    let nodeID = try arguments.hash(0)
    let metadata = try arguments.string(1)
    let text = AgentRegistryGas.StoredText(metadata)
    let isRegistered = execution.isRegistered(message.caller)
    execution.use(AgentRegistryGas.refusedRegistration(text, isRegistered: isRegistered))
    guard !isRegistered else { throw Revert("AgentRegistry: already registered") }
    guard nodeID != .zero else { throw Revert("AgentRegistry: invalid nodeId") }
    let isFirst = execution.state.registry.count == 0
    execution.use(AgentRegistryGas.registration(text, isFirst: isFirst))
    var record = RegisteredAgent(
      wallet: message.caller, metadata: metadata, registeredAt: execution.block.timestamp)
    record.nodeID = nodeID
    record.lastHeartbeat = execution.block.timestamp
    execution.state.registry.add(record)
    execution.emit(
      .event(
        .agentRegistered, from: message.recipient, indexed: [message.caller.word, nodeID.word],
        data: ABIResult.words([32]) + ABIResult.string(metadata)))
    return []
  }

  @Sendable private static func heartbeat(
    _ message: Message, _: ABIArguments, _ execution: Execution
  ) throws(Revert) -> [UInt8] {
    execution.use(AgentRegistryGas.refusedHeartbeat)
    let record = try registered(message, execution)
    let now = execution.block.timestamp
    execution.use(AgentRegistryGas.heartbeat(isSameTime: record.lastHeartbeat == now))
    execution.state.registry.update(message.caller) { $0.recordHeartbeat(at: now) }
    execution.emit(
      .event(
        .heartbeat, from: message.recipient, indexed: [message.caller.word],
        data: ABIResult.words([Word(now)])))
    return []
  }

  @Sendable private static func updateMetadata(
    _ message: Message, _ arguments: ABIArguments, _ execution: Execution
  ) throws(Revert) -> [UInt8] {
    let metadata = try arguments.string(0)
    let text = AgentRegistryGas.StoredText(metadata)
    execution.use(AgentRegistryGas.refusedUpdate(text))
    let record = try registered(message, execution)
    let price = AgentRegistryGas.update(from: .init(record.metadata), to: text)
    execution.use(price.gas, refund: price.refund)
    execution.state.registry.update(message.caller) { $0.metadata = metadata }
    execution.emit(
      .event(
        "MetadataUpdated(address,string)", from: message.recipient, indexed: [message.caller.word],
        data: ABIResult.words([32]) + ABIResult.string(metadata)))
    return []
  }

  @Sendable private static func deregister(
    _ message: Message, _: ABIArguments, _ execution: Execution
  ) throws(Revert) -> [UInt8] {
    execution.use(AgentRegistryGas.refusedDeregistration)
    let record = try registered(message, execution)
    let agents = execution.state.registry
    let price = AgentRegistryGas.deregistration(
      .init(record.metadata), isSlashed: record.status == .slashed,
      position: agents.position(of: message.caller) ?? 0, of: agents.count)
    execution.use(price.gas, refund: price.refund)
    execution.state.registry.remove(message.caller)
    execution.emit(
      .event(
        "AgentDeregistered(address,bytes32)", from: message.recipient,
        indexed: [message.caller.word, record.nodeID.word]))
    return []
  }

  @Sendable private static func slash(
    _ message: Message, _ arguments: ABIArguments, _ execution: Execution
  ) throws(Revert) -> [UInt8] {
    let agent = try arguments.address(0)
    let ownerRead = execution.gasOfReadingRegistryOwner()
    execution.use(ownerRead + AgentRegistryGas.slashByStranger)
    try requireOwner(message, execution)
    execution.use(ownerRead + AgentRegistryGas.slashOfUnknownAgent)
    guard let record = execution.state.registry[agent] else {
      throw Revert("AgentRegistry: agent not found")
    }
    execution.use(ownerRead + AgentRegistryGas.slash(isSlashed: record.status == .slashed))
    execution.state.registry.update(agent) {
      $0.stake = .zero
      $0.status = .slashed
    }
    execution.emit(
      .event(
        "AgentSlashed(address,uint256)", from: message.recipient, indexed: [agent.word],
        data: record.stake.bigEndianBytes))
    return []
  }

  /// The caller's record.
  private static func registered(
    _ message: Message, _ execution: Execution
  ) throws(Revert) -> RegisteredAgent {
    guard let record = execution.state.registry[message.caller] else {
      throw Revert("AgentRegistry: not registered")
    }
    return record
  }

  /// The struct `Agent`; all zeros for an address that is not registered.
  private static func encode(_ record: RegisteredAgent?) -> [UInt8] {
    let head: [Word] = [
      32, record?.wallet.word ?? .zero, record?.nodeID.word ?? .zero, 7 * 32,
      Word(record?.registeredAt ?? 0), Word(record?.lastHeartbeat ?? 0),
      Word(UInt64(record?.status.rawValue ?? 0)), record?.stake ?? .zero,
    ]
    return ABIResult.words(head) + ABIResult.string(record?.metadata ?? "")
  }
}

extension RegisteredAgent {
  /// Notes a heartbeat; an inactive agent becomes active, a slashed one stays slashed.
  mutating func recordHeartbeat(at timestamp: UInt64) {
    lastHeartbeat = timestamp
    if status == .inactive { status = .active }
  }
}
