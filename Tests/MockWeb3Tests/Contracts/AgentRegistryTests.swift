import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

@Suite("AgentRegistry", .timeLimit(.minutes(5)))
struct AgentRegistryTests {
  let network = TestChain()
  let registry = PlumiseNetwork.Contract.agentRegistry
  var agent: DevelopmentAccount { network.account(0) }

  private func read(_ call: AgentRegistryCall) async throws -> [UInt8] {
    try await network.client.call(to: registry, data: call.input)
  }

  @discardableResult
  private func send(_ call: AgentRegistryCall) async throws -> Receipt {
    try await network.send(call.input, to: registry, from: agent)
  }

  private func reason(_ call: AgentRegistryCall) async throws -> String? {
    try await network.revertReason(call.input, to: registry, from: agent)
  }

  private let nodeID = Keccak256.hash("node")

  @Test("An agent of the precompile is the registry's agent as well")
  func oneSetOfRecords() async throws {
    try await network.send(
      .registration(AgentRegistration(name: "agent", modelHash: .zero)), from: agent)
    #expect(try await read(.isRegistered(agent.address)) == ABI.word(true))
    #expect(try await read(.isActive(agent.address)) == ABI.word(false))
    try await send(.heartbeat)
    #expect(try await read(.isActive(agent.address)) == ABI.word(true))
    #expect(try await network.client.agentStatus(of: agent.address).lastHeartbeat > 0)
  }

  @Test("registerAgent makes an agent that is active, and emits AgentRegistered")
  func registers() async throws {
    let receipt = try await send(.registerAgent(nodeID: nodeID, metadata: #"{"name":"a"}"#))
    #expect(try await read(.isActive(agent.address)) == ABI.word(true))
    let log = try #require(receipt.logs.first)
    #expect(log.address == registry)
    #expect(
      log.topics == [
        ContractEvent.agentRegistered.topic, Hash32(word: agent.address.word), nodeID,
      ])
    #expect(try ABI.decode([.string], from: log.data) == [.string(#"{"name":"a"}"#)])
    let timestamp = Word(network.chain.latestBlock.header.timestamp)
    let record: [ABIType] = [.address, .bytes32, .string, .uint, .uint, .uint, .uint]
    #expect(
      try await ABI.decode([.tuple(record)], from: read(.getAgent(agent.address))) == [
        .tuple([
          .address(agent.address), .bytes32(nodeID), .string(#"{"name":"a"}"#), .uint(timestamp),
          .uint(timestamp), .uint(0), .uint(0),
        ])
      ])
  }

  @Test("Each refusal has the contract's words")
  func refusals() async throws {
    let register = AgentRegistryCall.registerAgent(nodeID: nodeID, metadata: "")
    let nameless = AgentRegistryCall.registerAgent(nodeID: .zero, metadata: "")
    for call in [AgentRegistryCall.heartbeat, .updateMetadata("x"), .deregisterAgent] {
      #expect(try await reason(call) == "AgentRegistry: not registered")
    }
    #expect(try await reason(nameless) == "AgentRegistry: invalid nodeId")
    try await send(register)
    #expect(try await reason(register) == "AgentRegistry: already registered")
  }

  @Test("Only the owner slashes, and a slashed agent is not active")
  func slashing() async throws {
    let slash = ABI.call("slashAgent(address)", [.address(agent.address)])
    let owner = network.account(9)
    #expect(
      try await network.revertReason(slash, to: registry, from: owner)
        == "AgentRegistry: agent not found")
    try await send(.registerAgent(nodeID: nodeID, metadata: ""))
    // OwnableUnauthorizedAccount(address)
    let reason = try await network.revertReason(slash, to: registry, from: agent)
    #expect(reason?.hasPrefix("error 0x118cdaa7") == true, "\(reason ?? "nil")")
    try await network.send(slash, to: registry, from: owner)
    try await send(.heartbeat)
    #expect(try await read(.isActive(agent.address)) == ABI.word(false))
    #expect(network.chain.agent(agent.address)?.status == .slashed)
  }

  private func owner(on network: TestChain) async throws -> Address? {
    let answer = try await network.client.call(to: registry, data: ABI.call("owner()"))
    guard case .address(let owner)? = try ABI.decode([.address], from: answer).first else {
      return nil
    }
    return owner
  }

  @Test("The owner hands the contract on and gives it up; snapshots and state files keep who it is")
  func ownership() async throws {
    let (first, second) = (network.account(9), network.account(1))
    #expect(try await owner(on: network) == first.address)
    let transfer = ABI.call("transferOwnership(address)", [.address(second.address)])
    let toNobody = ABI.call("transferOwnership(address)", [.address(.zero)])
    // OwnableUnauthorizedAccount(address), OwnableInvalidOwner(address)
    for (data, sender, error) in [
      (transfer, second, "error 0x118cdaa7"), (toNobody, second, "error 0x118cdaa7"),
      (toNobody, first, "error 0x1e4fbdf7"),
      (ABI.call("renounceOwnership()"), second, "error 0x118cdaa7"),
    ] {
      let reason = try await network.revertReason(data, to: registry, from: sender)
      #expect(reason?.hasPrefix(error) == true, "\(reason ?? "nil")")
    }
    let snapshot = network.chain.snapshot()
    let receipt = try await network.send(transfer, to: registry, from: first)
    #expect(
      receipt.logs.first?.topics == [
        ABI.eventTopic("OwnershipTransferred(address,address)"),
        Hash32(word: first.address.word), Hash32(word: second.address.word),
      ])
    #expect(try await owner(on: network) == second.address)
    #expect(
      try await network.client.request(
        "eth_getStorageAt", [.string(registry.lowercaseHex), "0x0", "latest"])
        == .string(Hash32(word: second.address.word).hex))
    let dump = try await network.client.request("anvil_dumpState")
    let copy = TestChain()
    _ = try await copy.client.request("anvil_loadState", [dump])
    #expect(try await owner(on: copy) == second.address)
    #expect(network.chain.revert(to: snapshot))
    #expect(try await owner(on: network) == first.address)
    try await network.send(ABI.call("renounceOwnership()"), to: registry, from: first)
    #expect(try await owner(on: network) == .zero)
    let slash = ABI.call("slashAgent(address)", [.address(agent.address)])
    let reason = try await network.revertReason(slash, to: registry, from: first)
    #expect(reason?.hasPrefix("error 0x118cdaa7") == true, "\(reason ?? "nil")")
  }

  @Test("A deregistered agent is gone, and can register again")
  func deregisters() async throws {
    try await send(.registerAgent(nodeID: nodeID, metadata: ""))
    #expect(try await read(.getActiveAgentCount) == ABI.word(1))
    try await send(.deregisterAgent)
    #expect(try await read(.isRegistered(agent.address)) == ABI.word(false))
    #expect(try await read(.getActiveAgentCount) == ABI.word(.zero as Word))
    #expect(try await send(.registerAgent(nodeID: nodeID, metadata: "")).succeeded)
  }

  @Test("Coins and unknown functions are reverted without a reason")
  func silentReverts() async throws {
    #expect(
      try await !network.send(
        AgentRegistryCall.heartbeat.input, to: registry, from: agent, value: 1
      ).succeeded)
    #expect(
      try await network.revertReason([1, 2, 3, 4], to: registry, from: agent) == "")
    let truncated = Array(AgentRegistryCall.isActive(agent.address).input.dropLast())
    #expect(try await network.revertReason(truncated, to: registry, from: agent) == "")
  }
}
