import ChainAgent
import EthereumClient
import EthereumPrimitives
import MockServing
import MockWeb3
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

@Suite("Why a transaction was reverted", .timeLimit(.minutes(5)))
struct RevertReasonTests {
  let network = TestChain()
  var chain: MockWeb3 { network.chain }

  private func agent(_ client: EthereumClient? = nil) -> ChainAgent {
    ChainAgent(key: network.account(0).key, client: client ?? network.client)
  }

  /// The error that an operation ends with.
  private func failure(_ operation: () async throws -> Void) async -> ChainError? {
    do {
      try await operation()
      return nil
    } catch {
      return error as? ChainError
    }
  }

  private func reason(_ operation: () async throws -> Void) async throws -> String? {
    let error = try #require(await failure(operation))
    guard error.code == .reverted, error.receipt != nil else {
      Issue.record("another error than a revert")
      return nil
    }
    return error.reason
  }

  /// Everything that agents send.
  enum Call: String, CaseIterable, Sendable {
    case register, heartbeat, verify, claim

    func make(_ agent: ChainAgent) async throws {
      switch self {
      case .register: _ = try await agent.register(.ofNode(serving: "m", as: agent.address))
      case .heartbeat: try await agent.heartbeat()
      case .verify:
        let proof = InferenceProof(
          model: "m", input: "i", output: "o", agent: agent.address, tokenCount: 3)
        try await agent.verifyInference(proof)
      case .claim: try await agent.claimReward()
      }
    }
  }

  @Test("What a fault says is in the error", arguments: Call.allCases)
  func fault(_ call: Call) async throws {
    chain.inject(.revert(reason: "closed for today"))
    let agent = agent()
    let error = try #require(await failure { try await call.make(agent) })
    guard error.code == .reverted, let receipt = error.receipt, error.reason == "closed for today"
    else {
      Issue.record("\(error)")
      return
    }
    #expect("\(error)".hasSuffix("was reverted: closed for today"))
    #expect(!receipt.succeeded && receipt.blockNumber == 1)
    // Whoever has the receipt alone is told as well, and on old blocks.
    chain.mine(3)
    #expect(try await network.client.revertReason(of: receipt) == "closed for today")
  }

  @Test("A fault's revert is told on its own block, and not on those that follow")
  func faultIsOver() async throws {
    chain.inject(.revert(reason: "closed for today"))
    let (agent, client) = (agent(), network.client)
    _ = await failure { try await agent.claimReward() }
    let claim = PrecompileCall.claimReward(agent: nil)
    func call(at block: BlockSelector) async throws -> [UInt8] {
      try await client.call(
        to: claim.contract.address, data: claim.input, from: agent.address, at: block)
    }
    await #expect(throws: ChainError.self) { try await call(at: .number(1)) }
    #expect(try await call(at: .latest).isEmpty)
    chain.mine()
    #expect(try await call(at: .number(2)).isEmpty)
  }

  @Test(
    "The program's own words are in the error",
    arguments: [
      (.heartbeat(agent: nil), "agentHeartbeat: not registered"),
      (.heartbeat(agent: .precompile(9)), "agentHeartbeat: not registered"),
      (
        .verifyInference(
          InferenceProof(
            model: "m", input: "i", output: "o", agent: .precompile(9), tokenCount: 3),
          layout: .modelFirst), "verifyInference: agent not registered"
      ),
    ] as [(PrecompileCall, String)])
  func words(_ call: PrecompileCall, _ words: String) async throws {
    let agent = agent()
    #expect(try await reason { _ = try await agent.send(call) } == words)
  }

  @Test("A second registration names its reason")
  func registration() async throws {
    let agent = agent()
    let call = PrecompileCall.registration(.ofNode(serving: "m", as: agent.address))
    _ = try await agent.send(call)
    #expect(
      try await reason { _ = try await agent.send(call) } == "agentRegister: already registered")
  }

  @Test("A reason that a later transaction of the block removed is found before the block")
  func laterInTheBlock() async throws {
    let clock = ManualClock()
    let chain = chain
    let agent = agent(
      EthereumClient(
        transport: InMemoryRPCTransport { await chain.respond(to: $0) }, clock: clock))
    chain.setMining(.manual)
    async let beat = reason { try await agent.heartbeat() }
    // The agent has sent its heartbeat, has found no receipt, and asks again after half a second.
    try await clock.waitForSleeper(until: .milliseconds(500))
    // Less for the miner: it comes behind the heartbeat.
    let sponsored = PrecompileCall.registration(
      AgentRegistration(name: "a", modelHash: .zero, beneficiary: agent.address))
    try await network.client.send(
      network.transaction(
        from: network.account(1), fee: .legacy(gasPrice: 1_500_000_000),
        to: sponsored.contract.address, data: sponsored.input))
    chain.mine()
    clock.advance(by: .milliseconds(500))
    #expect(try await beat == "agentHeartbeat: not registered")
    #expect(chain.isRegistered(agent.address))
    #expect(chain.block(1)?.transactions.count == 2)
  }

  @Test("A call that ran out of gas says so")
  func outOfGas() async throws {
    let agent = agent()
    // Enough for a transaction with this input, and not for what the program costs.
    let proof = InferenceProof(
      model: "m", input: "i", output: "o", agent: agent.address, tokenCount: 3)
    let call = PrecompileCall.verifyInference(proof, layout: .modelFirst)
    let reason = try await reason {
      _ = try await agent.send(to: call.contract.address, data: call.input, gasLimit: 40_000)
    }
    #expect(reason?.contains("out of gas") == true, "\(reason ?? "none")")
  }

  @Test("A program that gives no reason, and a chain that tells none, are told apart")
  func none() async throws {
    let agent = agent()
    let silent = try #require(
      await failure {
        _ = try await agent.send(
          to: PlumiseNetwork.Contract.rewardPool, data: [1, 2, 3, 4], gasLimit: 300_000)
      })
    #expect("\(silent)".hasSuffix("was reverted: the program gave no reason"))
    chain.inject(
      ChainFaultRule(.refuse(.refused("header not found")), method: "eth_call", count: nil))
    let untold = try #require(await failure { try await agent.heartbeat() })
    guard untold.code == .reverted, untold.receipt != nil, untold.reason == nil else {
      Issue.record("\(untold)")
      return
    }
    #expect("\(untold)".hasSuffix("was reverted: the chain tells no reason"))
  }

  static let panic = Hex.encode(ABI.call("Panic(uint256)", [.uint(0x11)]))

  @Test(
    "The words of other chains and of Solidity are understood",
    arguments: [
      (#"{"code":3,"message":"execution reverted","data":"\#(panic)"}"#, "panic 0x11: arithmetic"),
      (#"{"code":3,"message":"execution reverted","data":"0xdeadbeef"}"#, "error 0xdeadbeef"),
      (
        #"{"code":-32603,"message":"VM Exception while processing transaction: reverted with reason "#
          + #"string 'no'","data":{"message":"m","data":"\#(Hex.encode(ABI.encodeError("no")))"}}"#,
        "no"
      ),
      (
        #"{"code":-32015,"message":"VM execution error","data":"Reverted \#(panic)"}"#,
        "panic 0x11: arithmetic overflow"
      ),
      (#"{"code":-32000,"message":"execution reverted"}"#, "the program gave no reason"),
      (#"{"code":-32000,"message":"invalid opcode: INVALID"}"#, "invalid opcode: INVALID"),
    ])
  func otherChains(_ error: String, _ words: String) async throws {
    let chain = chain
    let client = EthereumClient(
      transport: InMemoryRPCTransport { body in
        guard String(decoding: body, as: UTF8.self).contains("\"eth_call\"") else {
          return await chain.respond(to: body)
        }
        return Array(#"{"jsonrpc":"2.0","id":1,"error":\#(error)}"#.utf8)
      })
    let agent = agent(client)
    let reason = try await reason { try await agent.heartbeat() }
    #expect(reason?.hasPrefix(words) == true, "\(reason ?? "none")")
  }
}
