import ChainAgent
import EthereumClient
import EthereumPrimitives
import MockServing
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

/// Where the real parts disagree about the chain, rows 11 to 17 of the network's known drifts: the
/// chain plays each as it is, and the agent stays on the safe side of it.
@Suite("Drift about the chain", .timeLimit(.minutes(5)))
struct ChainDriftTests {
  let network = TestChain()
  var chain: MockWeb3 { network.chain }
  var agent: DevelopmentAccount { network.account(0) }

  private func proof(tokens: Int64) -> InferenceProof {
    InferenceProof(model: "m", input: "i", output: "o", agent: agent.address, tokenCount: tokens)
  }

  @Test("11: proofs in the nodes' order and in the contracts' order count alike")
  func proofLayouts() async throws {
    try await network.registerActive(agent)
    let (nodes, contracts) = (ProofLayout.modelFirst, ProofLayout.agentFirst)
    #expect(nodes.encode(proof(tokens: 3)) != contracts.encode(proof(tokens: 3)))
    for (layout, total) in [(nodes, 3), (contracts, 6)] as [(ProofLayout, Word)] {
      let receipt = try await network.send(
        layout.encode(proof(tokens: 3)), to: .precompile(0x20), from: agent)
      #expect(receipt.succeeded)
      #expect(chain.agent(agent.address)?.totalTokensProcessed == total)
    }
    // The agent speaks as the nodes do.
    let client = ChainAgent(key: agent.key, client: network.client)
    try await client.verifyInference(proof(tokens: 4))
    #expect(chain.transactions.last?.transaction.data == nodes.encode(proof(tokens: 4)))
  }

  @Test("12: a name padded on the left reads as one padded on the right, which the agent sends")
  func namePadding() async throws {
    let name = Array("bloom".utf8)
    let padding = [UInt8](repeating: 0, count: 32 - name.count)
    let rest = [UInt8](repeating: 0, count: 64)
    for (index, field) in [padding + name, name + padding].enumerated() {
      let account = network.account(index)
      try await network.send(field + rest, to: .precompile(0x21), from: account)
      #expect(chain.agent(account.address)?.metadata == "bloom")
      #expect(try await network.client.agentStatus(of: account.address).metadata == "bloom")
    }
    let registration = AgentRegistration(name: "bloom", modelHash: .zero)
    #expect(Array(PrecompileCall.registration(registration).input.prefix(32)) == name + padding)
  }

  @Test(
    "13: a proof by somebody else is refused as documented, and accepted as the testnet did",
    arguments: ChainProfile.allCases)
  func foreignProof(profile: ChainProfile) async throws {
    let network = TestChain(ChainConfiguration(profile: profile))
    try await network.registerActive(network.account(0))
    let receipt = try await network.send(
      .verifyInference(proof(tokens: 7), layout: .modelFirst), from: network.account(1))
    #expect(receipt.succeeded == (profile == .testnet2026))
    let counted = network.chain.agent(agent.address)?.totalTokensProcessed
    #expect(counted == (profile == .testnet2026 ? 7 : 0))
  }

  @Test("14: agent_isAgentAccount wants both parameters, and the client sends both")
  func bothParameters() async throws {
    let address = JSON.string(agent.address.lowercaseHex)
    #expect(
      try await network.failure("agent_isAgentAccount", address)
        == RPCFailure(code: -32602, message: "missing value for required argument 1"))
    #expect(try await !network.client.isAgentAccount(agent.address))
    try await network.registerActive(agent)
    #expect(try await network.client.isAgentAccount(agent.address))
    #expect(
      chain.journal.entries.filter { $0.method == "agent_isAgentAccount" }.map(\.parameters.count)
        == [1, 2, 2])
  }

  @Test("15: active is the number 0; the agent reads the truth value, never the number")
  func statusNumbers() async throws {
    func statusWord() async throws -> Word {
      let answer = try await network.client.call(
        to: PlumiseNetwork.Contract.agentRegistry,
        data: ABI.call("getAgent(address)", [.address(agent.address)]))
      // An offset, then wallet, node, metadata, registeredAt, lastHeartbeat, status, stake.
      return try Word(bigEndian: answer[(6 * 32)..<(7 * 32)])
    }
    try await network.registerActive(agent)
    let client = ChainAgent(key: agent.key, client: network.client)
    #expect(try await statusWord() == 0)
    #expect(try await client.status().isActive)
    let slash = ABI.call("slashAgent(address)", [.address(agent.address)])
    try await network.send(
      slash, to: PlumiseNetwork.Contract.agentRegistry, from: network.oracle)
    #expect(try await statusWord() == 2)
    #expect(try await !client.status().isActive)
  }

  @Test("16: with a heartbeat every 300 s an agent flickers; every 120 s one may be lost")
  func heartbeatInterval() async throws {
    let blockTime: UInt64 = 3
    func isActiveUntilNext(every interval: UInt64, missing lost: UInt64 = 0) async throws -> Bool {
      try await network.send(.heartbeat(agent: nil), from: agent)
      // The next beat is sent an interval later, and is in the block after that.
      chain.increaseTime(by: interval * (1 + lost) + blockTime)
      chain.mine()
      let answer = try await network.client.call(
        to: PlumiseNetwork.Contract.agentRegistry,
        data: ABI.call("isActive(address)", [.address(agent.address)]))
      return answer.last == 1
    }
    try await network.registerActive(agent)
    let own = UInt64(HeartbeatService.defaultInterval.components.seconds)
    #expect(own == 120)
    for _ in 0..<3 {
      #expect(try await !isActiveUntilNext(every: 300))
      #expect(try await isActiveUntilNext(every: own))
      #expect(try await isActiveUntilNext(every: own, missing: 1))
    }
  }

  @Test("17: contributions come with three numbers or five, and are read as four words or six")
  func contributionWords() async throws {
    try await network.registerActive(agent)
    let short = Contribution(taskCount: 1, uptimeSeconds: 20, responseScore: 300)
    let long = Contribution(
      taskCount: 1, uptimeSeconds: 20, responseScore: 300,
      throughput: .init(processedTokens: 4000, averageLatencyInverse: 9000))
    for contribution in [short, long] {
      let call = RewardPoolCall.reportContribution(agent: agent.address, contribution)
      let receipt = try await network.send(
        call.input, to: PlumiseNetwork.Contract.rewardPool, from: network.oracle, gas: 1_000_000)
      #expect(receipt.succeeded)
    }
    let answer = try await network.client.call(
      to: PlumiseNetwork.Contract.rewardPool,
      data: RewardPoolCall.getContribution(agent.address).input)
    let words = try stride(from: 0, to: answer.count, by: 32).map {
      try Word(bigEndian: answer[$0..<($0 + 32)])
    }
    let reported = Word(chain.latestBlock.header.timestamp)
    // Whoever knows the older layout reads the first four words, and reads them right.
    #expect(Array(words.prefix(4)) == [2, 40, 600, reported])
    #expect(Array(words.dropFirst(4)) == [4000, 9000])
  }
}
