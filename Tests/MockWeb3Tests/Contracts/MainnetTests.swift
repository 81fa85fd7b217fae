import EthereumClient
import EthereumPrimitives
import Foundation
import MockWeb3
import PlumiseWire
import TestSupport
import TestVectors
import Testing

@Suite("The main network's contracts", .timeLimit(.minutes(5)))
struct MainnetTests {
  let network = TestChain(ChainConfiguration(profile: .mainnet2026))
  let registry = PlumiseNetwork.Contract.agentRegistry
  let pool = PlumiseNetwork.Contract.rewardPool
  var agent: DevelopmentAccount { network.account(0) }
  var other: DevelopmentAccount { network.account(1) }

  /// Registers an agent with the real registry, which makes it active.
  private func register(_ agent: DevelopmentAccount, id: String) async throws {
    let call = AgentRegistryCall.registerAgent(nodeID: Keccak256.hash(id), metadata: "{}")
    let receipt = try await network.send(call.input, to: registry, from: agent)
    #expect(receipt.succeeded)
  }

  private static func report(
    _ agent: Address, tasks: Word = 5, uptime: Word = 3600, response: Word = 80
  ) -> [UInt8] {
    ABI.call(
      "reportContribution(address,uint256,uint256,uint256)",
      [.address(agent), .uint(tasks), .uint(uptime), .uint(response)])
  }

  @Test("Their code is the main network's, at its addresses, and its deployer owns them")
  func code() async throws {
    let file = try JSON.parse(
      [UInt8](Data(contentsOf: TestVectors.evm.appending(path: "plumise-contracts.json"))))
    let contracts = try #require(file["contracts"]?.arrayValue)
    #expect(contracts.count == 3)
    for contract in contracts {
      let address = try Address(#require(contract["deployedAddress"]?.stringValue))
      let text = try await network.client.request(
        "eth_getCode", [.string(address.lowercaseHex), "latest"])
      let code = try Hex.decode(#require(text.stringValue))
      #expect(Keccak256.hash(code).hex == contract["runtimeCodeHash"]?.stringValue)
      let owner = try await network.client.call(to: address, data: ABI.call("owner()"))
      #expect(owner == ABI.word(try Address(#require(contract["sender"]?.stringValue))))
    }
    #expect(network.chain.nonce(of: PlumiseNetwork.Contract.deployer) == 41)
  }

  @Test("Version 1 of the pool rewards agents of the real registry by its own weights")
  func rewardPath() async throws {
    try await register(agent, id: "a")
    try await register(other, id: "b")
    let receipt = try await network.send(
      Self.report(agent.address), to: pool, from: network.oracle, gas: 1_000_000)
    // NETWORK.md, section 7.
    #expect(
      receipt.logs.first?.topics == [
        try Hash32("0xcbf1ff9631578e4e1a5b5a20fbdc9cd54f5be9420006f80a52d3682da128ce30"),
        Hash32(word: agent.address.word),
      ])
    #expect(receipt.logs.first?.data == ([5, 3600, 80, 0] as [Word]).flatMap(\.bigEndianBytes))
    try await network.send(
      Self.report(other.address, tasks: 1, uptime: 0), to: pool, from: network.oracle,
      gas: 1_000_000)
    let contribution = try await network.client.call(
      to: pool, data: ABI.call("getContribution(address)", [.address(agent.address)]))
    #expect(contribution.count == 4 * 32)
    try await network.send(ABI.call("syncRewards()"), to: pool, from: agent)
    let total = network.chain.balance(of: pool) - 10_000_000_000_000_000_000
    let epoch = network.chain.endEpoch()
    try await network.send(
      ABI.call("distributeRewards(uint256)", [.uint(Word(epoch))]), to: pool, from: agent)
    let (first, second): (Word, Word) = (
      50 * 5 + 30 * 3600 + 20 * 80, 50 * 1 + 20 * 80
    )
    let share = total * first / (first + second)
    #expect(network.chain.pendingReward(of: agent.address) == share)
    #expect(network.chain.pendingReward(of: other.address) == total - share)
    // The contract's own claim, and the precompile's, which answers as with version 2.
    let claims = [
      try await network.send(ABI.call("claimReward()"), to: pool, from: agent),
      try await network.send(.claimReward(agent: nil), from: other),
    ]
    for (claim, amount) in zip(claims, [share, total - share]) {
      #expect(claim.logs.map(\.topics.first) == [ContractEvent.rewardClaimed.topic])
      #expect(claim.logs.first?.data == amount.bigEndianBytes)
    }
  }

  @Test("An agent is active for the pool as long as it is for the real registry")
  func activity() async throws {
    #expect(try await reason(Self.report(agent.address)) == "Agent not registered")
    try await register(agent, id: "a")
    for seconds: UInt64 in [0, 299, 2, 1000] {
      network.chain.increaseTime(by: seconds)
      network.chain.mine()
      let isActive = try await network.client.call(
        to: registry, data: AgentRegistryCall.isActive(agent.address).input)
      let expected = isActive == ABI.word(true) ? nil : "Agent not active"
      #expect(try await reason(Self.report(agent.address)) == expected, "after \(seconds) s")
    }
    #expect(try await reason(Self.report(agent.address)) == "Agent not active")
    try await network.send(AgentRegistryCall.heartbeat.input, to: registry, from: agent)
    #expect(try await reason(Self.report(agent.address)) == nil)
  }

  private func reason(_ input: [UInt8]) async throws -> String? {
    try await network.revertReason(input, to: pool, from: network.oracle)
  }

  @Test("What version 2 of the pool added is not there")
  func secondVersion() async throws {
    try await register(agent, id: "a")
    let six = ABI.call(
      "reportContribution(address,uint256,uint256,uint256,uint256,uint256)",
      [.address(agent.address), .uint(1), .uint(1), .uint(1), .uint(1), .uint(1)])
    let claim = ABI.call("claimRewardFor(address)", [.address(agent.address)])
    for input in [six, claim] {
      #expect(try await network.revertReason(input, to: pool, from: network.oracle) == "")
    }
  }

  @Test("The precompiles' agents are unknown to the contracts")
  func separateRecords() async throws {
    try await network.registerActive(agent)
    #expect(network.chain.isRegistered(agent.address))
    let call = AgentRegistryCall.isRegistered(agent.address)
    #expect(
      try await network.client.call(to: registry, data: call.input) == ABI.word(false))
  }

  @Test("registerAgent runs out of 60 000 gas, and succeeds with 300 000")
  func gas() async throws {
    let input = AgentRegistryCall.registerAgent(nodeID: Keccak256.hash("a"), metadata: "{}").input
    for (gas, succeeds) in [(60_000, false), (300_000, true)] as [(UInt64, Bool)] {
      let transaction = network.transaction(from: agent, gas: gas, to: registry, data: input)
      let hash = try await network.client.send(transaction)
      let receipt = try #require(network.chain.receipt(of: hash))
      #expect(receipt.succeeded == succeeds)
      #expect(succeeds || receipt.gasUsed == gas)
    }
  }

  @Test("A credit is bought from InferencePayment, and withdrawn")
  func payment() async throws {
    let payment = PlumiseNetwork.Contract.inferencePayment
    let amount = PlumiseNetwork.oneCoin
    let receipt = try await network.send(
      ABI.call("deposit()"), to: payment, from: agent, value: amount)
    // NETWORK.md, section 7: Deposited(address,uint256,uint256).
    #expect(
      receipt.logs.first?.topics.first?.hex
        == "0x73a19dd210f1a7f902193214c0ee91dd35ee5b4d920cba8d519eca65a7b488ca")
    let balance = ABI.call("getUserBalance(address)", [.address(agent.address)])
    #expect(try await network.client.call(to: payment, data: balance) == ABI.word(amount))
    let withdrawal = ABI.call("withdraw(uint256)", [.uint(amount)])
    #expect(try await network.send(withdrawal, to: payment, from: agent).succeeded)
    #expect(
      try await network.revertReason(withdrawal, to: payment, from: agent)
        == "Insufficient balance")
  }
}
