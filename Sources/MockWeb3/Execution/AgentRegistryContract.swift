import EVM
import EthereumPrimitives
import PlumiseWire

/// The contract AgentRegistry and its ABI (Wire.md, Contracts).
enum AgentRegistryContract {
  static let functions = ContractFunctions([
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
      ABIResult.words([Word(UInt64(execution.state.registry.order.count))])
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
  ])

  private static func activeAgents(_ execution: Execution) -> [Address] {
    execution.state.registry.activeAgents(at: execution.block.timestamp)
  }

  @Sendable private static func register(
    _ message: Message, _ arguments: ABIArguments, _ execution: Execution
  ) throws(Revert) -> [UInt8] {
    let nodeID = try arguments.hash(0)
    let metadata = try arguments.string(1)
    guard !execution.isRegistered(message.caller) else {
      throw Revert("AgentRegistry: already registered")
    }
    guard nodeID != .zero else { throw Revert("AgentRegistry: invalid nodeId") }
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
    try requireRegistered(message, execution)
    let now = execution.block.timestamp
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
    try requireRegistered(message, execution)
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
    try requireRegistered(message, execution)
    let nodeID = execution.state.registry[message.caller]?.nodeID ?? .zero
    execution.state.registry.remove(message.caller)
    execution.emit(
      .event(
        "AgentDeregistered(address,bytes32)", from: message.recipient,
        indexed: [message.caller.word, nodeID.word]))
    return []
  }

  @Sendable private static func slash(
    _ message: Message, _ arguments: ABIArguments, _ execution: Execution
  ) throws(Revert) -> [UInt8] {
    let agent = try arguments.address(0)
    guard message.caller == execution.rules.registryOwner else {
      // OpenZeppelin's Ownable speaks in custom errors.
      throw Revert(
        output: ABI.selector("OwnableUnauthorizedAccount(address)") + ABI.word(message.caller))
    }
    guard let record = execution.state.registry[agent] else {
      throw Revert("AgentRegistry: agent not found")
    }
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

  private static func requireRegistered(
    _ message: Message, _ execution: Execution
  ) throws(Revert) {
    guard execution.isRegistered(message.caller) else {
      throw Revert("AgentRegistry: not registered")
    }
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
