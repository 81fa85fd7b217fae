import EVM
import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

@Suite("Precompiles 0x20 to 0x23", .timeLimit(.minutes(5)))
struct PrecompileTests {
  let network = TestChain()
  var agent: DevelopmentAccount { network.account(0) }
  var sponsor: DevelopmentAccount { network.account(1) }

  private func registration(
    name: String = "agent", capabilities: [Hash32] = [], beneficiary: Address? = nil
  ) -> PrecompileCall {
    .registration(
      AgentRegistration(
        name: name, modelHash: Keccak256.hash("model"), capabilities: capabilities,
        beneficiary: beneficiary))
  }

  private func proof(of account: DevelopmentAccount, tokens: Int64 = 7) -> InferenceProof {
    InferenceProof(
      model: "model", input: "in", output: "out", agent: account.address, tokenCount: tokens)
  }

  private func reason(
    _ call: PrecompileCall, from account: DevelopmentAccount
  ) async throws
    -> String?
  {
    try await network.revertReason(call.input, to: call.contract.address, from: account)
  }

  @Test("A registration is recorded with name, model and capabilities, and without a heartbeat")
  func registers() async throws {
    let capabilities = [Keccak256.hash("a"), Keccak256.hash("b")]
    let receipt = try await network.send(registration(capabilities: capabilities), from: agent)
    #expect(receipt.succeeded)
    let record = try #require(network.chain.agent(agent.address))
    #expect(record.metadata == "agent")
    #expect(record.modelHash == Keccak256.hash("model"))
    #expect(record.capabilities == capabilities)
    #expect(record.registeredAt == network.chain.latestBlock.header.timestamp)
    #expect(record.lastHeartbeat == 0)
    #expect(!record.isActive(at: record.registeredAt))
  }

  @Test("A second registration is reverted and changes nothing")
  func registersOnce() async throws {
    try await network.send(registration(), from: agent)
    let again = registration(name: "other")
    #expect(try await reason(again, from: agent) == "agentRegister: already registered")
    #expect(try await !network.send(again, from: agent).succeeded)
    #expect(network.chain.agent(agent.address)?.metadata == "agent")
  }

  @Test("An empty name is accepted")
  func emptyName() async throws {
    #expect(try await network.send(registration(name: ""), from: agent).succeeded)
    #expect(network.chain.agent(agent.address)?.metadata == "")
  }

  @Test("A name that is padded on the left reads as one padded on the right")
  func leftPaddedName() async throws {
    let name = Array("agent".utf8)
    let input =
      [UInt8](repeating: 0, count: 32 - name.count) + name
      + [UInt8](repeating: 0, count: 64)
    try await network.send(input, to: .precompile(0x21), from: agent)
    #expect(network.chain.agent(agent.address)?.metadata == "agent")
  }

  @Test("A sponsored registration is the beneficiary's")
  func sponsoredRegistration() async throws {
    try await network.send(registration(beneficiary: agent.address), from: sponsor)
    #expect(network.chain.isRegistered(agent.address))
    #expect(!network.chain.isRegistered(sponsor.address))
  }

  @Test(
    "Malformed input is reverted with a reason", arguments: [0x20, 0x21, 0x22, 0x23] as [UInt8],
    [1, 31, 33, 95, 97, 161])
  func malformed(contract: UInt8, length: Int) async throws {
    let input = [UInt8](repeating: 1, count: length)
    let words = try #require(
      try await network.revertReason(input, to: .precompile(contract), from: agent))
    #expect(words.contains("invalid input length"), "\(words)")
  }

  @Test("A count of capabilities that does not match is reverted with a reason")
  func wrongCount() async throws {
    var input = registration(capabilities: [.zero]).input
    input[95] = 3
    let words = try await network.revertReason(input, to: .precompile(0x21), from: agent)
    #expect(words == "agentRegister: capability count 3 does not match the input's 128 bytes")
  }

  @Test("A heartbeat moves lastHeartbeat to the block's time")
  func heartbeat() async throws {
    try await network.registerActive(agent)
    let first = try #require(network.chain.agent(agent.address))
    #expect(first.lastHeartbeat == network.chain.latestBlock.header.timestamp)
    network.chain.increaseTime(by: 120)
    try await network.send(.heartbeat(agent: nil), from: agent)
    let second = try #require(network.chain.agent(agent.address))
    #expect(second.lastHeartbeat >= first.lastHeartbeat + 120)
  }

  @Test("An agent is active for 300 seconds after its heartbeat")
  func activity() async throws {
    try await network.registerActive(agent)
    let record = try #require(network.chain.agent(agent.address))
    #expect(record.isActive(at: record.lastHeartbeat + 300))
    #expect(!record.isActive(at: record.lastHeartbeat + 301))
  }

  @Test("A heartbeat of somebody unknown is reverted, sponsored or not")
  func unknownHeartbeat() async throws {
    #expect(
      try await reason(.heartbeat(agent: nil), from: agent) == "agentHeartbeat: not registered")
    let sponsored = PrecompileCall.heartbeat(agent: agent.address)
    #expect(try await reason(sponsored, from: sponsor) == "agentHeartbeat: not registered")
    #expect(try await !network.send(.heartbeat(agent: nil), from: agent).succeeded)
  }

  @Test("A sponsored heartbeat is the agent's")
  func sponsoredHeartbeat() async throws {
    try await network.send(registration(), from: agent)
    try await network.send(.heartbeat(agent: agent.address), from: sponsor)
    #expect(network.chain.agent(agent.address)?.lastHeartbeat != 0)
  }

  @Test("A proof counts in both layouts", arguments: ProofLayout.allCases)
  func proofs(layout: ProofLayout) async throws {
    try await network.send(registration(), from: agent)
    let receipt = try await network.send(
      .verifyInference(proof(of: agent), layout: layout), from: agent)
    #expect(receipt.succeeded)
    #expect(network.chain.agent(agent.address)?.inferenceCount == 1)
    #expect(network.chain.agent(agent.address)?.totalTokensProcessed == 7)
  }

  @Test("A proof costs its intrinsic gas and 50 000 more")
  func proofGas() async throws {
    try await network.send(registration(), from: agent)
    let call = PrecompileCall.verifyInference(proof(of: agent), layout: .modelFirst)
    let receipt = try await network.send(call, from: agent)
    #expect(receipt.gasUsed == IntrinsicGas.of(data: call.input, fork: .london) + 50_000)
    let estimate = try await network.client.estimateGas(
      to: call.contract.address, data: call.input, from: agent.address)
    #expect(estimate >= receipt.gasUsed && Double(estimate) < Double(receipt.gasUsed) * 1.016)
  }

  @Test("A proof with too little gas fails and uses all of it")
  func proofOutOfGas() async throws {
    try await network.send(registration(), from: agent)
    let call = PrecompileCall.verifyInference(proof(of: agent), layout: .modelFirst)
    let transaction = network.transaction(
      from: agent, gas: 60_000, to: call.contract.address, data: call.input)
    let hash = try await network.client.send(transaction)
    let receipt = try #require(try await network.client.receipt(of: hash))
    #expect(!receipt.succeeded)
    #expect(receipt.gasUsed == 60_000)
  }

  @Test("A proof must come from the registered agent it names")
  func proofOfOthers() async throws {
    let call = PrecompileCall.verifyInference(proof(of: agent), layout: .modelFirst)
    #expect(try await reason(call, from: agent) == "verifyInference: agent not registered")
    try await network.send(registration(), from: agent)
    #expect(try await reason(call, from: sponsor) == "verifyInference: caller is not the agent")
    #expect(try await reason(call, from: agent) == nil)
  }

  @Test("A claim with nothing pending succeeds and pays nothing")
  func emptyClaim() async throws {
    try await network.send(registration(), from: agent)
    let before = network.chain.balance(of: agent.address)
    let receipt = try await network.send(.claimReward(agent: nil), from: agent)
    #expect(receipt.succeeded)
    #expect(receipt.logs.isEmpty)
    let fee = Word(receipt.gasUsed) * receipt.effectiveGasPrice
    #expect(network.chain.balance(of: agent.address) == before - fee)
  }

  @Test("A transfer with a call that is reverted comes back")
  func revertedTransfer() async throws {
    let before = network.chain.balance(of: agent.address)
    let receipt = try await network.send(to: .precompile(0x22), from: agent, value: 1000)
    #expect(!receipt.succeeded)
    let fee = Word(receipt.gasUsed) * receipt.effectiveGasPrice
    #expect(network.chain.balance(of: agent.address) == before - fee)
    #expect(network.chain.balance(of: .precompile(0x22)) == .zero)
  }
}

@Suite("Testnet of February 2026", .timeLimit(.minutes(5)))
struct TestnetProfileTests {
  let network = TestChain(
    ChainConfiguration(chainID: PlumiseNetwork.testnetChainID, profile: .testnet2026))

  @Test("Anybody's proof about anybody is accepted")
  func anyProof() async throws {
    let proof = InferenceProof(
      model: "m", input: "", output: "", agent: network.account(1).address, tokenCount: 1)
    let call = PrecompileCall.verifyInference(proof, layout: .agentFirst)
    #expect(try await network.send(call, from: network.account(0)).succeeded)
  }

  @Test("An agent of the precompile is unknown to the contracts")
  func separateRecords() async throws {
    let agent = network.account(0)
    try await network.registerActive(agent)
    let call = AgentRegistryCall.isRegistered(agent.address)
    let registry = PlumiseNetwork.Contract.agentRegistry
    #expect(try await network.client.call(to: registry, data: call.input) == ABI.word(false))
    #expect(try await network.client.agentStatus(of: agent.address).isRegistered)
  }
}
