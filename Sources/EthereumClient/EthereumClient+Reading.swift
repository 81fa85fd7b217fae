public import EthereumPrimitives
import PlumiseWire

/// Requests that read the chain.
extension EthereumClient {
  /// Asks, and reads the answer.
  func ask<T>(
    _ method: String, _ parameters: [JSON] = [], _ read: (AnswerReader) throws -> T
  ) async throws -> T {
    try read(AnswerReader(try await request(method, parameters), method: method))
  }

  /// The chain's id (EIP-155).
  public func chainID() async throws -> UInt64 { try await ask("eth_chainId") { try $0.uint64() } }

  /// The height of the latest block.
  public func blockNumber() async throws -> UInt64 {
    try await ask("eth_blockNumber") { try $0.blockNumber() }
  }

  /// Wei of an account.
  public func balance(of address: Address, at block: BlockSelector = .latest) async throws -> Word {
    try await ask("eth_getBalance", [.string(address.lowercaseHex), block.json]) { try $0.word() }
  }

  /// The number of transactions an account has sent; with ``BlockSelector/pending`` including
  /// those that wait, which is the next nonce.
  public func transactionCount(
    of address: Address, at block: BlockSelector = .latest
  ) async throws -> UInt64 {
    try await ask("eth_getTransactionCount", [.string(address.lowercaseHex), block.json]) {
      try $0.uint64()
    }
  }

  /// The gas price that the chain suggests for a legacy transaction, in wei.
  public func gasPrice() async throws -> Word { try await ask("eth_gasPrice") { try $0.word() } }

  /// The tip for a unit of gas that the chain suggests, in wei.
  public func maxPriorityFeePerGas() async throws -> Word {
    try await ask("eth_maxPriorityFeePerGas") { try $0.word() }
  }

  /// The base fee of a block, in wei a unit of gas; nil on a chain without EIP-1559.
  public func baseFee(of block: BlockSelector = .latest) async throws -> Word? {
    try await ask("eth_getBlockByNumber", [block.json, false]) { answer in
      try answer["baseFeePerGas"].optional { try $0.word() }
    }
  }

  /// The timestamp of a block, in seconds since 1970.
  public func timestamp(of block: BlockSelector = .latest) async throws -> UInt64 {
    try await ask("eth_getBlockByNumber", [block.json, false]) { try $0["timestamp"].uint64() }
  }

  /// Runs a call without a transaction (`eth_call`).
  /// - Parameters:
  ///   - recipient: the contract.
  ///   - data: the call's input.
  ///   - sender: the caller; nil for the zero address.
  ///   - value: the wei that the call transfers.
  ///   - gasLimit: the call's gas limit; nil for the chain's maximum.
  ///   - block: the block after which the state is read.
  /// - Returns: the program's return data.
  /// - Throws: a ``ChainError`` of code ``ChainError/Code/reverted`` when it was reverted.
  public func call(
    to recipient: Address, data: [UInt8] = [], from sender: Address? = nil, value: Word = .zero,
    gasLimit: UInt64? = nil, at block: BlockSelector = .latest
  ) async throws -> [UInt8] {
    let call = Self.callObject(
      to: recipient, data: data, from: sender, value: value, gasLimit: gasLimit)
    return try await ask("eth_call", [call, block.json]) { try $0.bytes() }
  }

  /// The gas that a call would use as a transaction.
  public func estimateGas(
    to recipient: Address, data: [UInt8] = [], from sender: Address? = nil, value: Word = .zero
  ) async throws -> UInt64 {
    let call = Self.callObject(to: recipient, data: data, from: sender, value: value)
    return try await ask("eth_estimateGas", [call]) { try $0.uint64() }
  }

  private static func callObject(
    to recipient: Address, data: [UInt8], from sender: Address?, value: Word,
    gasLimit: UInt64? = nil
  ) -> JSON {
    var members: [(String, JSON)] = [
      ("to", .string(recipient.lowercaseHex)), ("input", .string(Hex.encode(data))),
    ]
    if let sender { members.append(("from", .string(sender.lowercaseHex))) }
    if let gasLimit { members.append(("gas", .string(Quantity.encode(gasLimit)))) }
    if !value.isZero { members.append(("value", .string(Quantity.encode(value)))) }
    return .object(JSONObject(uniqueMembers: members))
  }
}

/// An agent's registration in the precompiles (Wire.md, JSON-RPC).
public struct AgentStatusReport: Hashable, Sendable {
  /// The agent's account.
  public let address: Address
  /// Whether it registered.
  public let isRegistered: Bool
  /// Whether its stored status is "active".
  public let isActive: Bool
  /// AgentRegistry's identifier; empty for an agent of the precompile.
  public let nodeID: String
  /// Seconds since 1970; 0 before the first heartbeat.
  public let lastHeartbeat: UInt64
  /// Seconds since 1970; 0 when it is not registered.
  public let registeredAt: UInt64
  /// The rewards paid so far, in wei.
  public let totalRewards: Word
  /// The name it registered with.
  public let metadata: String

  init(_ answer: AnswerReader) throws {
    address = try answer["address"].address()
    isRegistered = try answer["registered"].bool()
    isActive = try answer["active"].bool()
    nodeID = try answer["nodeId"].string()
    lastHeartbeat = try answer["lastHeartbeat"].uint64()
    registeredAt = try answer["registeredAt"].uint64()
    totalRewards = try answer["totalRewards"].word()
    metadata = try answer["metadata"].string()
  }
}

/// Plumise's additions to Ethereum's JSON-RPC.
extension EthereumClient {
  /// The registration of an agent.
  public func agentStatus(of address: Address) async throws -> AgentStatusReport {
    try await ask("agent_getStatus", [.string(address.lowercaseHex)]) {
      try AgentStatusReport($0)
    }
  }

  /// Whether an address is an agent's.
  ///
  /// Both parameters are always sent: the chain refuses the method with one.
  public func isAgentAccount(
    _ address: Address, at block: BlockSelector = .latest
  ) async throws -> Bool {
    try await ask("agent_isAgentAccount", [.string(address.lowercaseHex), block.json]) {
      try $0.bool()
    }
  }
}

/// The block that a request refers to.
public enum BlockSelector: Hashable, Sendable {
  /// The last block that was made.
  case latest
  /// The block that would be made now.
  case pending
  /// The first block.
  case earliest
  /// The block at a height.
  case number(UInt64)

  var json: JSON {
    switch self {
    case .latest: "latest"
    case .pending: "pending"
    case .earliest: "earliest"
    case .number(let number): .string(Quantity.encode(number))
    }
  }
}
