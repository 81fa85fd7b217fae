import EVM
import EthereumClient
import EthereumPrimitives
import Foundation
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

@Suite("RewardPool's gas", .timeLimit(.minutes(5)))
struct RewardPoolGasTests {
  let network = TestChain()
  let pool = PlumiseNetwork.Contract.rewardPool
  var agent: DevelopmentAccount { network.account(0) }

  private static func report(_ agent: DevelopmentAccount) -> [UInt8] {
    ABI.call(
      "reportContribution(address,uint256,uint256,uint256,uint256,uint256)",
      [.address(agent.address), .uint(5), .uint(3600), .uint(80), .uint(1000), .uint(9000)])
  }

  private func intrinsic(_ input: [UInt8]) -> UInt64 {
    IntrinsicGas.of(data: input, fork: .london)
  }

  @discardableResult
  private func send(
    _ input: [UInt8], from account: DevelopmentAccount? = nil, gas: UInt64 = 1_000_000,
    on network: TestChain? = nil
  ) async throws -> Receipt {
    let network = network ?? self.network
    return try await network.send(input, to: pool, from: account ?? network.oracle, gas: gas)
  }

  /// What the main network recorded of calls of its RewardPool: plumise-contracts,
  /// `broadcast/DeployPostGenesis.s.sol/41956/run-latest.json` (block 9068) and
  /// `broadcast/DeployBootstrap.s.sol/41956/run-latest.json` (block 10046).
  private enum Recorded {
    /// setAgentRegistry(0xC9CF…043C), into an empty slot.
    static let setAgentRegistry: UInt64 = 46_443
    static let registry = PlumiseNetwork.Contract.agentRegistry
    /// setEmergencyBypassRegistry(false), which was on.
    static let switchBypassOff: UInt64 = 25_378
    /// setOracle(0x5CEB…089f8b), which was the oracle already.
    static let setOracle: UInt64 = 28_192
    static let oracle = PlumiseNetwork.Contract.deployer
  }

  @Test("The calls that the main network's deployment recorded use the gas that it recorded")
  func recordedCalls() async throws {
    let network = TestChain(ChainConfiguration(profile: .mainnet2026))
    func bypass(_ isOn: Bool) -> [UInt8] {
      ABI.call("setEmergencyBypassRegistry(bool)", [.bool(isOn)])
    }
    try await send(bypass(true), on: network)
    #expect(try await send(bypass(false), on: network).gasUsed == Recorded.switchBypassOff)

    func setOracle(_ oracle: Address) -> [UInt8] {
      ABI.call("setOracle(address)", [.address(oracle)])
    }
    try await send(setOracle(Recorded.oracle), on: network)
    #expect(
      try await send(setOracle(Recorded.oracle), on: network).gasUsed == Recorded.setOracle)

    let setRegistry = ABI.call("setAgentRegistry(address)", [.address(Recorded.registry)])
    let other = Address.precompile(0x99)
    try await send(ABI.call("setAgentRegistry(address)", [.address(other)]), on: network)
    // The slot had another address, and not none (EIP-2200: 2 900 and not 20 000).
    #expect(
      try await send(setRegistry, on: network).gasUsed == Recorded.setAgentRegistry - 17_100)
  }

  @Test("An agent's first report pays for the slots that it fills, a second one for changing them")
  func reports() async throws {
    try await network.registerActive(agent)
    let first = try await send(Self.report(agent))
    let second = try await send(Self.report(agent))
    // Two records of six words; then the list of the epoch: its length is read, read again and written,
    // an element and the note that the agent is in it are read and written.
    let filled: UInt64 = 12 * (20_000 - 2_900)
    let listed: UInt64 = (2_100 + 100 + 20_000) + (2_100 + 20_000) + (100 + 20_000)
    let difference = first.gasUsed - second.gasUsed
    #expect(difference >= filled + listed && difference < filled + listed + 1_000)
    // Oracle, bypass, registry, height, twelve words and the note; an event of two topics and seven words.
    let cold: UInt64 = 5 * 2_100 + 12 * (2_100 + 2_900)
    let registry: UInt64 = 2_600 + 7 * 2_100
    let event: UInt64 = 3 * 375 + 8 * 192
    let exact = intrinsic(Self.report(agent)) + cold + registry + event
    #expect(second.gasUsed > exact && Double(second.gasUsed) < Double(exact) * 1.15)
  }

  @Test("A report with less gas than it needs uses all of it, and changes nothing")
  func outOfGas() async throws {
    try await network.registerActive(agent)
    let estimate = try await network.client.estimateGas(
      to: pool, data: Self.report(agent), from: network.oracle.address)
    #expect(estimate > 300_000)
    // go-ethereum's words for a call and for an estimate with such a limit.
    let call: JSON = [
      "from": .string(network.oracle.address.lowercaseHex), "to": .string(pool.lowercaseHex),
      "data": .string(Hex.encode(Self.report(agent))), "gas": "0x493e0",
    ]
    #expect(try await network.failure("eth_call", call, "latest") == .refused("out of gas"))
    #expect(
      try await network.failure("eth_estimateGas", call)
        == .refused("gas required exceeds allowance (300000)"))
    let failed = try await send(Self.report(agent), gas: 300_000)
    #expect(!failed.succeeded && failed.gasUsed == 300_000 && failed.logs.isEmpty)
    #expect(network.chain.contribution(of: agent.address) == nil)
    #expect(try await send(Self.report(agent), gas: estimate).succeeded)
    #expect(network.chain.contribution(of: agent.address)?.taskCount == 5)
  }

  @Test("Sharing among more agents costs more, and a claim gets the cleared slot's refund")
  func payouts() async throws {
    var gas: [UInt64] = []
    for count in [1, 3] {
      let network = TestChain()
      for index in 0..<count {
        try await network.registerActive(network.account(index))
        try await send(Self.report(network.account(index)), on: network)
      }
      try await send(ABI.call("syncRewards()"), on: network)
      let epoch = network.chain.endEpoch()
      let distribution = ABI.call("distributeRewards(uint256)", [.uint(Word(epoch))])
      gas.append(try await send(distribution, on: network).gasUsed)
      guard count == 3 else { continue }
      let claim = ABI.call("claimReward()")
      let first = try await send(claim, from: network.account(0), on: network)
      let second = try await send(claim, from: network.account(1), on: network)
      // Only the first fills the slot that guards against reentrancy; the next one's second write of
      // it restores the value, and gets back what the first write cost.
      #expect(first.gasUsed - second.gasUsed > 17_000)
    }
    // Of each agent a place in the list, six words, and a new slot for what is pending.
    let each: UInt64 = 2_100 + 6 * 2_100 + 22_100
    #expect(gas[1] - gas[0] >= 2 * each && gas[1] - gas[0] < 2 * each + 4_000)
  }

  @Test("An access list makes slots of the pool cheaper by what it costs more")
  func accessList() async throws {
    let input = ABI.call("syncRewards()")
    network.chain.mine(1)
    let chainID = network.chain.configuration.rules.chainID
    func gas(_ slots: [Hash32]) async throws -> UInt64 {
      let snapshot = network.chain.snapshot()
      defer { network.chain.revert(to: snapshot) }
      let list = slots.isEmpty ? [] : [AccessListEntry(address: pool, storageKeys: slots)]
      let transaction = Transaction(
        chainID: chainID, nonce: network.chain.nonce(of: agent.address),
        fee: .accessList(gasPrice: 2_000_000_000, list), gasLimit: 300_000, to: pool, data: input
      ).signed(with: agent.key)
      let hash = try await network.client.send(transaction)
      return try #require(network.chain.receipt(of: hash)).gasUsed
    }
    // Slot 7 is the tracked balance. An address costs 2400, a slot 1900 instead of 2100 less 100
    // (EIP-2930).
    let warm = try await gas([Hash32(word: 7)])
    #expect(try await gas([]) == warm - 2_400 + 100)
  }

  @Test("Calls of 0x21, 0x22 and 0x23 take their intrinsic gas only, also a claim that pays")
  func freePrecompiles() async throws {
    let registration = PrecompileCall.registration(
      AgentRegistration(name: "agent", modelHash: Keccak256.hash("m")))
    let claim = PrecompileCall.claimReward(agent: nil)
    for call in [registration, .heartbeat(agent: nil), claim] {
      let receipt = try await network.send(call, from: agent)
      #expect(receipt.succeeded && receipt.gasUsed == intrinsic(call.input))
    }
    try await send(Self.report(agent))
    try await send(ABI.call("syncRewards()"))
    let epoch = network.chain.endEpoch()
    try await send(ABI.call("distributeRewards(uint256)", [.uint(Word(epoch))]))
    let receipt = try await network.send(claim, from: agent)
    #expect(receipt.logs.count == 2 && receipt.gasUsed == intrinsic(claim.input))
  }

  @Test("A price of a test's own replaces the pool's gas")
  func configuredPrice() async throws {
    var configuration = ChainConfiguration()
    configuration.rules.gasCosts[pool] = 7
    let network = TestChain(configuration)
    let input = ABI.call("syncRewards()")
    #expect(try await send(input, on: network).gasUsed == intrinsic(input) + 7)
  }

  /// Makes a file what versions wrote that did not know a member of its first line.
  private func removeMember(_ name: String, from file: URL) throws {
    let text = try String(contentsOf: file, encoding: .utf8)
    let member = #","\#(name)":false"#
    try #require(text.contains(member))
    try text.replacing(member, with: "").write(to: file, atomically: true, encoding: .utf8)
  }

  @Test("A file of a version whose registry had no owner's functions continues as it was")
  func fileWithoutOwnership() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "chain")
      var configuration = ChainConfiguration()
      configuration.genesisTimestamp = TestChain.time
      var old = configuration
      old.rules.registryIsOwnable = false
      let registry = configuration.rules.registryAddress
      func open(_ configuration: ChainConfiguration) throws -> TestChain {
        TestChain(
          try MockWeb3(
            configuration, stateFile: file, unixClock: UnixClock { .seconds(Int64(TestChain.time)) }
          ))
      }
      func renounce(on network: TestChain) async throws -> Receipt {
        try await network.send(
          ABI.call("renounceOwnership()"), to: registry, from: network.account(0))
      }
      do { #expect(try await !renounce(on: open(old)).succeeded) }
      try removeMember("registryIsOwnable", from: file)
      let network = try open(configuration)
      #expect(network.chain.blockNumber == 1)
      #expect(try await !renounce(on: network).succeeded)
    }
  }

  @Test("A file of a version whose pool took no gas continues as it was")
  func earlierFile() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "chain")
      var configuration = ChainConfiguration()
      configuration.genesisTimestamp = TestChain.time
      var old = configuration
      old.rules.metersRewardPool = false
      let input = ABI.call("syncRewards()")
      do {
        let network = TestChain(
          try MockWeb3(
            old, stateFile: file, unixClock: UnixClock { .seconds(Int64(TestChain.time)) }))
        #expect(try await send(input, on: network).gasUsed == intrinsic(input))
      }
      try removeMember("metersRewardPool", from: file)
      let network = TestChain(
        try MockWeb3(
          configuration, stateFile: file, unixClock: UnixClock { .seconds(Int64(TestChain.time)) }))
      #expect(network.chain.blockNumber == 1)
      #expect(try await send(input, on: network).gasUsed == intrinsic(input))
    }
  }
}
