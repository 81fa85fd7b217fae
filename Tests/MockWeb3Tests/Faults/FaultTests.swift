import ChainAgent
import EthereumClient
import EthereumPrimitives
import MockServing
import MockWeb3
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

@Suite("Faults of the chain", .timeLimit(.minutes(5)))
struct ChainFaultTests {
  let network = TestChain()
  var sender: DevelopmentAccount { network.account(0) }

  @Test("A forced revert meets the next transaction, of the sender it is meant for, once")
  func revert() async throws {
    network.chain.inject(
      ChainFaultRule(.revert(reason: "no"), sender: network.account(1).address))
    #expect(try await network.send(to: .zero, from: sender).succeeded)
    #expect(try await !network.send(to: .zero, from: network.account(1)).succeeded)
    #expect(try await network.send(to: .zero, from: network.account(1)).succeeded)
  }

  @Test("A withheld receipt comes after so many blocks, a lost one never")
  func receipts() async throws {
    let client = network.client
    network.chain.inject(.withholdReceipt(blocks: 2))
    let first = network.transaction(from: sender)
    try await client.send(first)
    network.chain.inject(.loseReceipt)
    let second = network.transaction(from: sender)
    try await client.send(second)
    #expect(try await client.receipt(of: first.hash) == nil)
    network.chain.mine()
    #expect(try await client.receipt(of: first.hash) != nil)
    network.chain.mine(10)
    #expect(try await client.receipt(of: second.hash) == nil)
    #expect(network.chain.receipt(of: second.hash) != nil)
  }

  @Test("A dropped transaction is answered and forgotten")
  func drop() async throws {
    network.chain.inject(.drop)
    let transaction = network.transaction(from: sender)
    #expect(try await network.client.send(transaction) == transaction.hash)
    #expect(try await !network.client.hasTransaction(transaction.hash))
    #expect(network.chain.blockNumber == 0)
  }

  @Test("A refusal meets one method, so many times")
  func refusal() async throws {
    let failure = RPCFailure(code: -32005, message: "limit exceeded")
    network.chain.inject(ChainFaultRule(.refuse(failure), method: "eth_gasPrice", count: 2))
    #expect(try await network.failure("eth_chainId") == nil)
    #expect(try await network.failure("eth_gasPrice") == failure)
    #expect(try await network.failure("eth_gasPrice") == failure)
    #expect(try await network.failure("eth_gasPrice") == nil)
  }

  @Test("A fault passes over as many occasions as it is to skip, in Swift and over JSON-RPC")
  func skip() async throws {
    let chain = network.chain
    chain.inject(ChainFaultRule(.refuse(.refused("busy")), method: "eth_gasPrice", skip: 2))
    var refused: [Bool] = []
    for _ in 0..<4 { refused.append(try await network.failure("eth_gasPrice") != nil) }
    #expect(refused == [false, false, true, false])
    let rules: JSON = [["fault": "revert", "reason": "no", "skip": "0x1", "count": 2]]
    _ = try await network.client.request("plumise_setFaults", [rules])
    var succeeded: [Bool] = []
    for _ in 0..<4 { succeeded.append(try await network.send(to: .zero, from: sender).succeeded) }
    #expect(succeeded == [true, false, false, true])
  }

  @Test("A reset of connections skips requests as well, and its seed is the chain's")
  func skippedReset() async throws {
    let chain = network.chain
    try await chain.withServer { address async throws in
      let client = EthereumClient(url: address.url)
      let rule: JSON = ["fault": "reset", "method": "eth_chainId", "skip": 1]
      _ = try await client.request("plumise_setFaults", [[rule]])
      #expect(try await client.chainID() == 41956)
      await #expect(throws: ChainError.self) { try await client.chainID() }
      #expect(try await client.chainID() == 41956)
    }
  }

  @Test("A delay lasts as long as the clock says")
  func delay() async throws {
    let clock = ManualClock()
    let chain = MockWeb3(clock: clock)
    chain.inject(.delay(.seconds(5)))
    let client = EthereumClient(transport: InMemoryRPCTransport { await chain.respond(to: $0) })
    async let answer = client.chainID()
    try await clock.waitForSleepers()
    #expect(chain.journal.count == 0)
    clock.advance(by: .seconds(5))
    #expect(try await answer == 41956)
  }

  @Test("Stalled production leaves transactions waiting until a block is asked for")
  func stall() async throws {
    network.chain.stallBlocks(true)
    let transaction = network.transaction(from: sender)
    try await network.client.send(transaction)
    #expect(network.chain.blockNumber == 0)
    #expect(network.chain.mine().transactions.count == 1)
  }

  @Test("Faults are set over JSON-RPC, and malformed ones refused")
  func admin() async throws {
    let client = network.client
    let faults: JSON = [
      ["fault": "revert", "reason": "no", "count": 0],
      ["fault": "error", "method": "eth_gasPrice", "code": -32000, "message": "busy"],
    ]
    #expect(try await client.request("plumise_setFaults", [faults]) == true)
    #expect(try await network.failure("eth_gasPrice") == .refused("busy"))
    for _ in 0..<3 { #expect(try await !network.send(to: .zero, from: sender).succeeded) }
    #expect(try await client.request("plumise_setFaults", [[]]) == true)
    #expect(try await network.send(to: .zero, from: sender).succeeded)
    #expect(
      try await network.failure("plumise_setFaults", [["fault": "fire"]])?.message
        == "invalid argument 0: unknown fault \"fire\"")
  }

  @Test("Anybody gets coins over JSON-RPC")
  func fund() async throws {
    let address = Address.precompile(0xaa)
    let balance = try await network.client.request(
      "plumise_fund", [.string(address.lowercaseHex), "0xff"])
    #expect(balance == "0xff")
    #expect(network.chain.balance(of: address) == 255)
  }
}

@Suite("Faults by a trait", .timeLimit(.minutes(5)))
struct ChainFaultsTraitTests {
  @Test(
    "The trait's faults meet the chain of the test's network", .petalsNetwork(nodes: 1),
    .chainFaults(
      ChainFaultRule(.revert(reason: "on purpose"), count: 2),
      ChainFaultRule(.drop, probability: 0)))
  func faults() async throws {
    let network = try PetalsNetwork.current
    let sender = network.chain.accounts[0]
    let agent = ChainAgent(
      key: sender.key, client: EthereumClient(url: network.chainAddress.url))
    for _ in 0..<2 {
      await #expect {
        try await agent.claimReward()
      } throws: { error in
        (error as? ChainError)?.receipt?.succeeded == false
      }
    }
    #expect(try await agent.claimReward().succeeded)
  }
}

@Suite("Blocks by time", .timeLimit(.minutes(5)))
struct BlockProductionTests {
  @Test("A block is made at each interval of the clock, empty or not")
  func interval() async throws {
    let clock = ManualClock()
    var configuration = ChainConfiguration()
    configuration.mining = .every(.seconds(3))
    let chain = MockWeb3(configuration, clock: clock)
    try await chain.withBlockProduction {
      for height in 1...3 as ClosedRange<UInt64> {
        try await clock.waitForSleepers()
        clock.advance(by: .seconds(3))
        try await clock.waitForSleepers()
        #expect(chain.blockNumber == height)
      }
    }
    #expect(clock.deadlines.isEmpty)
  }

  @Test("The interval changes while the chain runs")
  func change() async throws {
    let clock = ManualClock()
    let chain = MockWeb3(clock: clock)
    let client = EthereumClient(transport: InMemoryRPCTransport { await chain.respond(to: $0) })
    try await chain.withBlockProduction {
      _ = try await client.request("evm_setAutomine", [false])
      _ = try await client.request("evm_setIntervalMining", [2])
      try await clock.waitForSleepers()
      clock.advance(by: .seconds(2))
      try await clock.waitForSleepers()
      #expect(chain.blockNumber == 1)
    }
  }
}
