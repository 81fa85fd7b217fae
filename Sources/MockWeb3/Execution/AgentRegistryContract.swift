import EVM
import EthereumPrimitives
import PlumiseWire

/// The contract AgentRegistry and its ABI (Wire.md, Contracts).
enum AgentRegistryContract {
  enum Function: String, ContractFunctions {
    case registerAgent = "registerAgent(bytes32,string)"
    case heartbeat = "heartbeat()"
    case updateMetadata = "updateMetadata(string)"
    case deregisterAgent = "deregisterAgent()"
    case slashAgent = "slashAgent(address)"
    case getAgent = "getAgent(address)"
    case getAllAgents = "getAllAgents()"
    case getTotalAgentCount = "getTotalAgentCount()"
    case getActiveAgents = "getActiveAgents()"
    case getActiveAgentCount = "getActiveAgentCount()"
    case isActive = "isActive(address)"
    case isRegistered = "isRegistered(address)"
    case heartbeatTimeout = "HEARTBEAT_TIMEOUT()"

    static let bySelector = makeTable()
  }

  static func run(
    _ message: Message, in execution: inout Execution
  ) throws(Revert) -> [UInt8] {
    // No function is payable.
    guard message.value.isZero else { throw .withoutReason }
    let (function, arguments) = try Function.parse(message.input)
    let registry = execution.state.registry
    let now = execution.block.timestamp
    switch function {
    case .registerAgent: return try register(message, arguments, in: &execution)
    case .heartbeat: return try heartbeat(message, in: &execution)
    case .updateMetadata: return try updateMetadata(message, arguments, in: &execution)
    case .deregisterAgent: return try deregister(message, in: &execution)
    case .slashAgent: return try slash(message, arguments, in: &execution)
    case .getAgent: return encode(registry[try arguments.address(0)])
    case .getAllAgents: return ABIResult.addresses(registry.order)
    case .getTotalAgentCount: return ABIResult.words([Word(UInt64(registry.order.count))])
    case .getActiveAgents: return ABIResult.addresses(registry.activeAgents(at: now))
    case .getActiveAgentCount:
      return ABIResult.words([Word(UInt64(registry.activeAgents(at: now).count))])
    case .isActive:
      return ABIResult.bool(registry[try arguments.address(0)]?.isActive(at: now) ?? false)
    case .isRegistered: return ABIResult.bool(registry.isRegistered(try arguments.address(0)))
    case .heartbeatTimeout: return ABIResult.words([Word(RegisteredAgent.heartbeatTimeout)])
    }
  }

  private static func register(
    _ message: Message, _ arguments: ABIArguments, in execution: inout Execution
  ) throws(Revert) -> [UInt8] {
    let nodeID = try arguments.hash(0)
    let metadata = try arguments.string(1)
    guard !execution.state.registry.isRegistered(message.caller) else {
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

  private static func heartbeat(
    _ message: Message, in execution: inout Execution
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

  private static func updateMetadata(
    _ message: Message, _ arguments: ABIArguments, in execution: inout Execution
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

  private static func deregister(
    _ message: Message, in execution: inout Execution
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

  private static func slash(
    _ message: Message, _ arguments: ABIArguments, in execution: inout Execution
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
    guard execution.state.registry.isRegistered(message.caller) else {
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
