import ChainAgent
import EthereumClient
import EthereumPrimitives
import MockServing
import MockWeb3
import PlumiseWire
import Testing

/// The reference suite's test_chain_registration.py, over HTTP to a chain that executes.
@Suite("Chain registration", .timeLimit(.minutes(5)))
struct ChainRegistrationTests {
  private let registration = AgentRegistration(
    name: "bloom-node-a", modelHash: Keccak256.hash(PlumiseNetwork.model))

  /// Serves a fresh chain, with an agent on its first account.
  private func withAgent(
    chainID: UInt64 = PlumiseNetwork.chainID,
    _ body: (ChainAgent, MockWeb3) async throws -> Void
  ) async throws {
    let chain = MockWeb3()
    try await chain.withServer { address in
      // Without retries, so that the tests see each outage.
      let agent = ChainAgent(
        ChainAgentConfiguration(chainID: chainID, retries: .none), key: chain.accounts[0].key,
        client: EthereumClient(url: address.url))
      try await body(agent, chain)
    }
  }

  private func minedReceipt(of outcome: RegistrationOutcome) throws -> Receipt {
    guard case .registered(let receipt) = outcome else {
      throw NotRegistered(outcome: outcome)
    }
    return receipt
  }

  struct NotRegistered: Error { let outcome: RegistrationOutcome }

  /// The revert that an operation ends with.
  private func revert(_ operation: () async throws -> Void) async throws -> (Receipt, String?)? {
    do {
      try await operation()
      return nil
    } catch let error as ChainError where error.code == .reverted {
      return (try #require(error.receipt), error.reason)
    }
  }

  @Test("A new agent knows its account and has sent nothing")
  func chainAgentInitialization() async throws {
    try await withAgent { (agent, chain) async throws in
      #expect(agent.address == chain.accounts[0].address)
      #expect(agent.configuration.chainID == 41956)
      #expect(try await agent.balance() == DevelopmentAccount.defaultBalance)
      #expect(try await !agent.status().isRegistered)
      #expect(chain.transactions.isEmpty)
    }
  }

  @Test(
    "A registration goes to 0x21 on chain 41956 with 300 000 gas, and the chain knows the agent")
  func registerSuccess() async throws {
    try await withAgent { agent, chain in
      let receipt = try minedReceipt(of: await agent.register(registration))
      #expect(receipt.succeeded)
      let sent = try #require(chain.transaction(receipt.transactionHash))
      #expect(sent.sender == agent.address)
      #expect(sent.transaction.to == .precompile(0x21))
      #expect(sent.transaction.chainID == 41956)
      #expect(sent.transaction.gasLimit == 300_000)
      #expect(sent.transaction.nonce == 0)
      let status = try await agent.status()
      #expect(status.isRegistered && status.isActive)
      #expect(status.metadata == "bloom-node-a")
      #expect(status.registeredAt == chain.latestBlock.header.timestamp)
      #expect(status.lastHeartbeat == 0)
    }
  }

  @Test(
    "A name is padded with zero bytes to 32, or cut there even inside a character",
    arguments: [
      ("a", "a"), ("", ""), (String(repeating: "x", count: 32), String(repeating: "x", count: 32)),
      (String(repeating: "y", count: 40), String(repeating: "y", count: 32)),
      (String(repeating: "z", count: 31) + "é", String(repeating: "z", count: 31)),
      ("노드", "노드"),
    ])
  func registerWithNameNormalization(name: String, kept: String) async throws {
    try await withAgent { agent, chain in
      let registration = AgentRegistration(name: name, modelHash: .zero)
      let receipt = try minedReceipt(of: await agent.register(registration))
      let data = try #require(chain.transaction(receipt.transactionHash)).transaction.data
      let bytes = Array(name.utf8.prefix(32))
      #expect(Array(data.prefix(32)) == bytes + [UInt8](repeating: 0, count: 32 - bytes.count))
      #expect(try await agent.status().metadata == kept)
    }
  }

  @Test("Model hash and capabilities take 32·3 + 32·n bytes and arrive", arguments: [0, 1, 3])
  func registerWithModelHashAndCapabilities(count: Int) async throws {
    try await withAgent { agent, chain in
      let capabilities = (0..<count).map { Keccak256.hash("capability \($0)") }
      let model = Keccak256.hash(PlumiseNetwork.model)
      let receipt = try minedReceipt(
        of: await agent.register(
          AgentRegistration(name: "a", modelHash: model, capabilities: capabilities)))
      let data = try #require(chain.transaction(receipt.transactionHash)).transaction.data
      #expect(data.count == 32 * 3 + 32 * count)
      let record = try #require(chain.agent(agent.address))
      #expect(record.modelHash == model)
      #expect(record.capabilities == capabilities)
    }
  }

  @Test("A registration that the chain reverts is an error with the receipt of status 0")
  func registerFailureRevertedTransaction() async throws {
    try await withAgent { agent, chain in
      chain.inject(.revert(reason: "forced"))
      let (receipt, _) = try #require(
        try await revert { _ = try await agent.register(registration) })
      #expect(!receipt.succeeded)
      #expect(receipt.to == .precompile(0x21))
      #expect(chain.receipt(of: receipt.transactionHash)?.succeeded == false)
      #expect(try await !agent.status().isRegistered)
      // The agent is none the worse: the next attempt registers.
      #expect(try minedReceipt(of: await agent.register(registration)).succeeded)
    }
  }

  @Test("A registration where nothing listens is an outage, not a refusal")
  func registerFailureException() async throws {
    try await withClosedPort { address async throws in
      let url = address.url
      let agent = ChainAgent(
        ChainAgentConfiguration(retries: .none), key: .random(), client: EthereumClient(url: url))
      await #expect(throws: ChainError.connectionRefused(url: url)) {
        try await agent.register(registration)
      }
    }
  }

  @Test("A registration whose connection is reset amid the reply is an outage, or found done")
  func registerFailureExceptionMidReply() async throws {
    try await withAgent { (agent, chain) async throws in
      chain.connectionFaults.add(.drop(.midBody(after: 10), .reset))
      await #expect {
        try await agent.register(registration)
      } throws: { error in
        (error as? ChainError)?.code == .connectionLost
      }
      #expect(chain.transactions.isEmpty)
      chain.connectionFaults.add(.drop(.midBody(after: 10), .reset)) { request in
        String(decoding: request.body, as: UTF8.self).contains("eth_sendRawTransaction")
      }
      #expect(try minedReceipt(of: await agent.register(registration)).succeeded)
      #expect(chain.transactions.count == 1)
    }
  }

  @Test("Registering twice sends one transaction: the agent looks on the chain first")
  func registerIdempotent() async throws {
    try await withAgent { (agent, chain) async throws in
      #expect(try minedReceipt(of: await agent.register(registration)).succeeded)
      #expect(try await agent.register(registration) == .alreadyRegistered)
      let restarted = ChainAgent(key: chain.accounts[0].key, client: agent.client)
      #expect(try await restarted.register(registration) == .alreadyRegistered)
      #expect(chain.transactions.count == 1)
    }
  }

  @Test("A heartbeat goes to 0x22 without data and with 100 000 gas, and moves lastHeartbeat")
  func heartbeatSuccess() async throws {
    try await withAgent { agent, chain in
      _ = try await agent.register(registration)
      chain.increaseTime(by: 60)
      let receipt = try await agent.heartbeat()
      let sent = try #require(chain.transaction(receipt.transactionHash)).transaction
      #expect(sent.to == .precompile(0x22))
      #expect(sent.data.isEmpty)
      #expect(sent.gasLimit == 100_000)
      let status = try await agent.status()
      #expect(status.lastHeartbeat == chain.latestBlock.header.timestamp)
      #expect(status.lastHeartbeat >= status.registeredAt + 60)
    }
  }

  @Test("A heartbeat that the chain reverts is an error, and lastHeartbeat stays")
  func heartbeatFailure() async throws {
    try await withAgent { agent, chain in
      _ = try await agent.register(registration)
      chain.inject(.revert(reason: "forced"))
      let (receipt, _) = try #require(try await revert { try await agent.heartbeat() })
      #expect(!receipt.succeeded)
      #expect(try await agent.status().lastHeartbeat == 0)
    }
  }

  @Test("A heartbeat that cannot reach the chain is an outage, and the next one arrives")
  func heartbeatException() async throws {
    try await withAgent { agent, chain in
      _ = try await agent.register(registration)
      chain.connectionFaults.add(.drop(.beforeHandling, .reset))
      await #expect {
        try await agent.heartbeat()
      } throws: { error in
        (error as? ChainError)?.isOutage == true
      }
      #expect(try await agent.heartbeat().succeeded)
      #expect(chain.nonce(of: agent.address) == 2)
    }
  }

  @Test("Three heartbeats are three transactions in three blocks")
  func multipleHeartbeats() async throws {
    try await withAgent { agent, chain in
      _ = try await agent.register(registration)
      var receipts: [Receipt] = []
      for _ in 0..<3 { receipts.append(try await agent.heartbeat()) }
      #expect(receipts.map(\.blockNumber) == [2, 3, 4])
      #expect(Set(receipts.map(\.transactionHash)).count == 3)
      #expect(chain.transactions.count == 4)
    }
  }

  @Test("Nonces count 0, 1, 2")
  func nonceIncrements() async throws {
    try await withAgent { agent, chain in
      _ = try await agent.register(registration)
      try await agent.heartbeat()
      try await agent.heartbeat()
      #expect(chain.transactions.map(\.transaction.nonce) == [0, 1, 2])
    }
  }

  @Test("Thirty sends at once use the nonces 0 to 29 without a gap")
  func nonceIncrementsConcurrently() async throws {
    try await withAgent { agent, chain in
      try await withThrowingTaskGroup { group in
        for _ in 0..<30 { group.addTask { try await agent.claimReward() } }
        for try await receipt in group { #expect(receipt.succeeded) }
      }
      #expect(chain.transactions.map(\.transaction.nonce) == Array(0..<30))
    }
  }

  @Test("A capability of another length is refused: exactly 32 bytes", arguments: [0, 31, 33])
  func invalidCapabilityLength(length: Int) {
    let error = #expect(throws: PrecompileInputError.self) {
      try AgentRegistration(
        name: "a", modelHash: .zero, rawCapabilities: [[UInt8](repeating: 1, count: length)])
    }
    #expect(error?.description.contains("exactly 32 bytes") == true)
  }

  // MARK: - Beyond the reference suite

  @Test("A heartbeat before registering is reverted with the reason")
  func heartbeatBeforeRegistering() async throws {
    try await withAgent { agent, _ in
      let (receipt, reason) = try #require(try await revert { try await agent.heartbeat() })
      #expect(!receipt.succeeded)
      #expect(reason == "agentHeartbeat: not registered")
    }
  }

  @Test("A second registration that is sent all the same is reverted with the reason")
  func doubleRegistration() async throws {
    try await withAgent { agent, chain in
      _ = try await agent.register(registration)
      let (receipt, reason) = try #require(
        try await revert { _ = try await agent.send(.registration(registration)) })
      #expect(!receipt.succeeded)
      #expect(reason == "agentRegister: already registered")
      #expect(chain.transactions.count == 2)
    }
  }

  @Test("An agent for another chain signs nothing")
  func wrongChain() async throws {
    try await withAgent(chainID: 1) { agent, chain in
      await #expect(throws: ChainError.wrongChain(expected: 1, actual: 41956)) {
        try await agent.register(registration)
      }
      #expect(!chain.journal.entries.contains { $0.method == "eth_sendRawTransaction" })
    }
  }

  /// What is wrong with a transaction, and geth's words for it.
  enum Offence: String, CaseIterable, Sendable {
    case wrongChain, tamperedSignature, nonceTooLow, notEnoughCoins

    var words: String {
      switch self {
      case .wrongChain, .tamperedSignature: "invalid sender"
      case .nonceTooLow: "nonce too low: next nonce 1, tx nonce 0"
      case .notEnoughCoins: "insufficient funds for gas * price + value: balance "
      }
    }
  }

  @Test("What the chain does not accept is refused with geth's words", arguments: Offence.allCases)
  func refusals(offence: Offence) async throws {
    try await withAgent { agent, chain in
      try await agent.claimReward()
      let transaction = Transaction(
        chainID: offence == .wrongChain ? 1 : 41956, nonce: offence == .nonceTooLow ? 0 : 1,
        fee: .legacy(gasPrice: 2_000_000_000), gasLimit: 100_000, to: .precompile(0x22),
        value: offence == .notEnoughCoins ? 2 * DevelopmentAccount.defaultBalance : .zero)
      var raw = transaction.signed(with: chain.accounts[0].key).raw
      // The last byte but 31 is the first of s: with all bits set it is beyond the curve's order.
      if offence == .tamperedSignature { raw[raw.count - 32] = 0xff }
      do {
        try await agent.client.sendRawTransaction(raw)
        Issue.record("\(offence) was accepted")
      } catch let error as ChainError where error.code == .refused {
        let failure = try #require(error.failure)
        #expect(failure.code == -32000)
        #expect(failure.message.hasPrefix(offence.words), "\(failure.message)")
      }
      #expect(chain.nonce(of: agent.address) == 1)
    }
  }

  @Test("Reported, ended, distributed, claimed: a reward reaches the agent's balance")
  func rewardPath() async throws {
    try await withAgent { agent, chain in
      _ = try await agent.register(registration)
      try await agent.heartbeat()
      let oracle = ChainAgent(key: chain.accounts[9].key, client: agent.client)
      func call(_ call: RewardPoolCall) async throws -> Receipt {
        try await oracle.send(
          to: PlumiseNetwork.Contract.rewardPool, data: call.input, gasLimit: 1_000_000)
      }
      let contribution = Contribution(
        taskCount: 3, uptimeSeconds: 3600, responseScore: 80,
        throughput: .init(processedTokens: 600, averageLatencyInverse: 9900))
      _ = try await call(.reportContribution(agent: agent.address, contribution))
      #expect(chain.contribution(of: agent.address)?.processedTokens == 600)
      _ = try await call(.syncRewards)
      let epoch = chain.endEpoch()
      _ = try await call(.distributeRewards(epoch: Word(epoch)))
      let owed = try await agent.pendingReward()
      // Three blocks paid 10 PLM each before the one in which the pool counted them.
      #expect(owed == 3 * PlumiseNetwork.blockReward)
      let before = try await agent.balance()
      let receipt = try await agent.claimReward()
      let fee = Word(receipt.gasUsed) * receipt.effectiveGasPrice
      #expect(try await agent.balance() == before + owed - fee)
      // A claim counts new coins in first, which has an event of its own.
      #expect(receipt.logs.last?.topics.first == ContractEvent.rewardClaimed.topic)
      #expect(try await agent.status().totalRewards == owed)
      #expect(try await agent.pendingReward() == .zero)
    }
  }
}
