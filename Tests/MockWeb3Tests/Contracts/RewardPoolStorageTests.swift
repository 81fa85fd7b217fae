import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

/// The getters and the storage of RewardPool, as plumise-contracts has them: `src/RewardPool.sol` at
/// 6aabb4d (version 2) and d13aa58 (version 1), `docs/GENESIS_STORAGE_LAYOUT.md`.
@Suite("RewardPool's getters and storage", .timeLimit(.minutes(5)))
struct RewardPoolStorageTests {
  let pool = PlumiseNetwork.Contract.rewardPool

  /// A chain whose pool has seen a report, a distribution and a claim.
  private func usedChain(_ profile: ChainProfile) async throws -> TestChain {
    let network = TestChain(ChainConfiguration(profile: profile))
    for index in 0...1 {
      let agent = network.account(index)
      if profile == .mainnet2026 {
        let call = AgentRegistryCall.registerAgent(nodeID: Keccak256.hash("\(index)"), metadata: "")
        try await network.send(
          call.input, to: PlumiseNetwork.Contract.agentRegistry, from: agent)
      } else {
        try await network.registerActive(agent)
      }
      let report = ABI.call(
        "reportContribution(address,uint256,uint256,uint256)",
        [.address(agent.address), .uint(Word(UInt64(index + 1))), .uint(60), .uint(7)])
      try await network.send(report, to: pool, from: network.oracle, gas: 1_000_000)
    }
    try await network.send(ABI.call("syncRewards()"), to: pool, from: network.oracle)
    let epoch = network.chain.endEpoch()
    try await network.send(
      ABI.call("distributeRewards(uint256)", [.uint(Word(epoch))]), to: pool,
      from: network.oracle, gas: 1_000_000)
    try await network.send(ABI.call("claimReward()"), to: pool, from: network.account(0))
    return network
  }

  private func call(_ input: [UInt8], on network: TestChain) async throws -> [Word] {
    let bytes = try await network.client.call(to: pool, data: input)
    return try stride(from: 0, to: bytes.count, by: 32).map {
      try Word(bigEndian: bytes[$0..<($0 + 32)])
    }
  }

  private func slot(_ number: Word, on network: TestChain) async throws -> Word {
    let value = try await network.client.request(
      "eth_getStorageAt",
      [.string(pool.lowercaseHex), .string(Hash32(word: number).hex), "latest"])
    return try Hash32(#require(value.stringValue)).word
  }

  private func hash(_ words: Word...) -> Word {
    Keccak256.hash(words.flatMap(\.bigEndianBytes)).word
  }

  @Test("Every getter of the source answers", arguments: [ChainProfile.default, .mainnet2026])
  func getters(profile: ChainProfile) async throws {
    let network = try await usedChain(profile)
    let agent = ABIValue.address(network.account(0).address)
    func value(_ signature: String, _ arguments: ABIValue...) async throws -> [Word] {
      try await call(ABI.call(signature, arguments), on: network)
    }
    let owner = network.oracle.address.word
    #expect(try await value("owner()") == [owner])
    #expect(try await value("oracle()") == [owner])
    #expect(
      try await value("agentRegistry()") == [PlumiseNetwork.Contract.agentRegistry.word])
    #expect(try await value("emergencyBypassRegistry()") == [0])
    #expect(try await value("BLOCKS_PER_EPOCH()") == [1200])
    #expect(try await value("MAX_EPOCH_AGENTS()") == [200])
    #expect(try await value("MAX_TASK_COUNT()") == [10_000])
    #expect(try await value("MAX_UPTIME_SECONDS()") == [604_800])
    #expect(try await value("MAX_RESPONSE_SCORE()") == [1_000_000])
    #expect(try await value("currentEpoch()") == [0])
    #expect(try await value("getCurrentEpoch()") == [1])
    #expect(try await value("deployBlock()") == [0])
    #expect(
      try await value("lastTrackedBalance()") == [
        network.chain.balance(of: pool) - 10_000_000_000_000_000_000
      ])
    #expect(
      try await value("epochAgents(uint256,uint256)", .uint(0), .uint(1)) == [
        network.account(1).address.word
      ])
    #expect(
      try await network.revertReason(
        ABI.call("epochAgents(uint256,uint256)", [.uint(0), .uint(2)]), to: pool,
        from: network.oracle) == "")
    #expect(try await value("epochAgentExists(uint256,address)", .uint(0), agent) == [1])
    #expect(try await value("epochAgentExists(uint256,address)", .uint(1), agent) == [0])
    #expect(try await value("epochDistributed(uint256)", .uint(0)) == [1])
    #expect(try await value("getEpochAgents(uint256)", .uint(0)).count == 4)
    let sums = try await value("contributions(address)", agent)
    #expect(sums.prefix(3) == [1, 60, 7] && sums[3] > 0)
    for getter in ["epochContributions(uint256,address)", "getEpochContribution(uint256,address)"] {
      #expect(try await value(getter, .uint(0), agent) == sums)
    }
    let own: [(String, Word)]
    let missing: [String]
    if profile == .mainnet2026 {
      own = [("taskWeight()", 50), ("uptimeWeight()", 30), ("responseWeight()", 20)]
      missing = ["tokenWeight()", "MAX_PROCESSED_TOKENS()", "MAX_LATENCY_INV()"]
      #expect(sums.count == 4)
    } else {
      own = [
        ("tokenWeight()", 40), ("taskWeight()", 25), ("uptimeWeight()", 20),
        ("latencyWeight()", 15), ("MAX_PROCESSED_TOKENS()", 100_000_000),
        ("MAX_LATENCY_INV()", 10_000),
      ]
      missing = ["responseWeight()"]
      #expect(sums.count == 6)
    }
    for (getter, expected) in own {
      #expect(try await value(getter) == [expected], Comment(rawValue: getter))
    }
    for getter in missing {
      #expect(
        try await network.revertReason(ABI.call(getter), to: pool, from: network.oracle) == "",
        Comment(rawValue: getter))
    }
  }

  @Test("Slots are where the source has them", arguments: [ChainProfile.default, .mainnet2026])
  func storage(profile: ChainProfile) async throws {
    let network = try await usedChain(profile)
    let (first, second) = (network.account(0).address.word, network.account(1).address.word)
    let weights: [Word] = profile == .mainnet2026 ? [50, 30, 20] : [40, 25, 20, 15]
    let owner = network.oracle.address.word
    var expected: [(Word, Word)] = [
      (0, owner), (1, PlumiseNetwork.Contract.agentRegistry.word), (2, owner),
    ]
    expected += weights.enumerated().map { (Word(UInt64(3 + $0)), $1) }
    // GENESIS_STORAGE_LAYOUT.md: slot 6 for version 1; version 2 has a weight more.
    let tracked = Word(UInt64(3 + weights.count))
    let contribution = hash(first, tracked + 1)
    let epochContribution = hash(second, hash(0, tracked + 4))
    expected += [
      (tracked, network.chain.balance(of: pool) - 10_000_000_000_000_000_000),
      (contribution, 1), (contribution + 1, 60), (contribution + 2, 7),
      (hash(first, tracked + 2), 0),
      (hash(second, tracked + 2), network.chain.pendingReward(of: network.account(1).address)),
      (epochContribution, 2), (epochContribution + 1, 60),
      (hash(0, tracked + 5), 2), (hash(hash(0, tracked + 5)) + 1, second),
      (hash(first, hash(0, tracked + 6)), 1), (hash(0, tracked + 7), 1),
      (tracked + 8, 0), (tracked + 9, 0), (tracked + 10, 0), (tracked + 11, 0), (hash(99), 0),
    ]
    for (number, value) in expected {
      #expect(try await slot(number, on: network) == value, "slot \(Hash32(word: number).hex)")
    }
    #expect(network.chain.pendingReward(of: network.account(1).address) > 0)
    let write = try await network.failure(
      "anvil_setStorageAt", .string(pool.lowercaseHex), "0x0", .string(Hash32(word: 7).hex))
    #expect(write?.message.contains("is a native contract") == true)
    #expect(try await slot(0, on: network) == owner)
    #expect(try await slot(hash(0, tracked + 3), on: network) > 0)
    // ERC-7201's slot of openzeppelin.storage.ReentrancyGuard, after the first claim.
    let guardSlot: Word = 0x9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f00
    #expect(try await slot(guardSlot, on: network) == 1)
  }
}
