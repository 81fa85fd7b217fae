import EthereumClient
import EthereumPrimitives
import MockServing
import MockWeb3
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

/// Every kind of fault, as it is asked for over JSON-RPC.
enum AdminFault: String, CaseIterable, Sendable {
  case revert, error, delay, drop, withholdReceipt, loseReceipt, stall, reorganise, reset

  var json: JSON {
    switch self {
    case .revert: ["fault": "revert", "reason": "no"]
    case .error: ["fault": "error", "code": -32005, "message": "busy", "method": "eth_gasPrice"]
    case .delay: ["fault": "delay", "milliseconds": 1500, "method": "eth_chainId"]
    case .drop: ["fault": "drop"]
    case .withholdReceipt: ["fault": "withholdReceipt", "blocks": 2]
    case .loseReceipt: ["fault": "loseReceipt"]
    case .stall: ["fault": "stall"]
    case .reorganise: ["fault": "reorganise", "depth": 1]
    case .reset: ["fault": "reset", "afterHandling": true]
    }
  }
}

@Suite("Faults over JSON-RPC", .timeLimit(.minutes(5)))
struct FaultAdminTests {
  let clock = ManualClock()
  let network: TestChain
  var chain: MockWeb3 { network.chain }
  var client: EthereumClient { network.client }

  init() {
    network = TestChain(
      MockWeb3(clock: clock, unixClock: UnixClock { .seconds(Int64(TestChain.time)) }))
  }

  private func send() async throws -> SignedTransaction {
    let transaction = network.transaction(from: network.account(0), to: .precompile(0x23))
    #expect(try await client.send(transaction) == transaction.hash)
    return transaction
  }

  @Test("Each kind does what it says, once", arguments: AdminFault.allCases)
  func kinds(fault: AdminFault) async throws {
    #expect(try await client.request("plumise_setFaults", [[fault.json]]) == true)
    switch fault {
    case .revert:
      #expect(try await client.receipt(of: send().hash)?.succeeded == false)
    case .error:
      #expect(
        try await network.failure("eth_gasPrice") == RPCFailure(code: -32005, message: "busy"))
      #expect(try await network.failure("eth_gasPrice") == nil)
    case .delay:
      async let id = client.chainID()
      try await clock.waitForSleeper(until: .milliseconds(1500))
      clock.advance(by: .milliseconds(1500))
      #expect(try await id == 41956)
    case .drop:
      #expect(try await !client.hasTransaction(send().hash))
      #expect(chain.blockNumber == 0)
    case .withholdReceipt:
      let hash = try await send().hash
      #expect(try await client.receipt(of: hash) == nil)
      #expect(try await client.request("eth_getBlockReceipts", ["latest"]) == [])
      chain.mine(2)
      #expect(try await client.receipt(of: hash) != nil)
      #expect(
        try await client.request("eth_getBlockReceipts", ["0x1"]).arrayValue?.count == 1)
    case .loseReceipt:
      let hash = try await send().hash
      chain.mine(9)
      #expect(try await client.receipt(of: hash) == nil)
      #expect(try await client.request("eth_getBlockReceipts", ["0x1"]) == [])
      #expect(chain.receipt(of: hash) != nil)
    case .stall:
      let hash = try await send().hash
      #expect(chain.blockNumber == 0 && chain.waitingTransactionCount == 1)
      #expect(try await client.hasTransaction(hash))
    case .reorganise:
      let hash = try await send().hash
      #expect(chain.blockNumber == 1 && chain.latestBlock.transactions.isEmpty)
      #expect(try await client.receipt(of: hash) == nil)
      chain.mine()
      #expect(try await client.receipt(of: hash)?.blockNumber == 2)
    case .reset:
      // Without a connection there is no answer, though the chain did what was asked.
      let request = RPCRequest(id: 1, method: "evm_mine", params: []).json.serialized()
      #expect(await chain.respond(to: request) == nil)
      #expect(chain.blockNumber == 1)
    }
    // It was meant once.
    let next = network.transaction(
      from: network.account(1), to: .precompile(0x23))
    try await client.send(next)
    #expect(try await client.receipt(of: next.hash)?.succeeded == true)
  }

  @Test(
    "A rule that lacks a field, or has one too many, is refused by the field",
    arguments: [
      ([:], "a fault needs the field fault"),
      (["fault": "status"], "unknown fault \"status\""),
      (["fault": "error", "code": 1], "a fault needs the field message"),
      (["fault": "error", "message": "m"], "a fault needs the field code"),
      (["fault": "delay"], "a fault needs the field milliseconds"),
      (["fault": "withholdReceipt"], "a fault needs the field blocks"),
      (["fault": "reorganise"], "a fault needs the field depth"),
      (["fault": "drop", "sendr": "0x"], "a fault has no field sendr"),
      (["fault": "drop", "probability": 0], "probability must be above 0 and up to 1"),
      (
        ["fault": "drop", "skip": -1],
        "skip is a whole number from 0 to 18446744073709551615, not -1"
      ),
      (
        ["fault": "reorganise", "depth": 0],
        "depth is a whole number from 1 to 18446744073709551615, not 0"
      ),
      (
        ["fault": "delay", "milliseconds": "0x7fffffffffffffff"],
        "milliseconds is a whole number from 0 to 3153600000000, not \"0x7fffffffffffffff\""
      ),
    ] as [(JSON, String)])
  func incomplete(rule: JSON, reason: String) async throws {
    #expect(try await network.failure("plumise_setFaults", [rule]) == .invalidArgument(0, reason))
  }

  @Test("Block production is stalled, and goes on")
  func stallBlocks() async throws {
    #expect(try await client.request("plumise_stallBlocks", [true]) == true)
    let hash = try await send().hash
    #expect(chain.blockNumber == 0)
    #expect(try await client.request("plumise_stallBlocks", [false]) == true)
    let next = network.transaction(from: network.account(1))
    try await client.send(next)
    #expect(try await client.receipt(of: hash)?.succeeded == true)
  }

  @Test("A reset and a loaded state take all faults back, those of connections included")
  func cleared() async throws {
    let state = try await client.request("anvil_dumpState")
    for (method, parameters) in [("hardhat_reset", []), ("anvil_loadState", [state])] {
      let faults: JSON = [
        ["fault": "reset", "count": 0, "method": "eth_chainId"],
        ["fault": "revert", "reason": "no", "count": 0],
      ]
      _ = try await client.request("plumise_setFaults", [faults])
      let request = RPCRequest(id: 1, method: "eth_chainId", params: []).json.serialized()
      #expect(await chain.respond(to: request) == nil)
      _ = try await client.request(method, parameters)
      #expect(try await client.chainID() == 41956)
      #expect(try await client.receipt(of: send().hash)?.succeeded == true)
    }
  }

  @Test("A dropped replacement leaves what it was to replace")
  func droppedReplacement() async throws {
    chain.setMining(.manual)
    let first = try await send()
    _ = try await client.request("plumise_setFaults", [[["fault": "drop"]]])
    let second = network.transaction(
      from: network.account(0), fee: .legacy(gasPrice: 4_000_000_000), to: .precompile(0x23))
    try await client.send(second)
    #expect(try await !client.hasTransaction(second.hash))
    chain.mine()
    #expect(try await client.receipt(of: first.hash)?.succeeded == true)
  }
}

@Suite("Every chain fault by a trait", .timeLimit(.minutes(5)), .petalsNetwork(nodes: 1))
struct FaultTraitTests {
  /// Sends a transaction of the second account over the network's own connection.
  private func send() async throws -> (Hash32, EthereumClient, MockWeb3) {
    let network = try PetalsNetwork.current
    let client = EthereumClient(url: network.chainAddress.url)
    let account = network.chain.accounts[1]
    let transaction = Transaction(
      chainID: 41956, nonce: 0, fee: .legacy(gasPrice: 2_000_000_000), gasLimit: 30_000,
      to: .precompile(0x23)
    ).signed(with: account.key)
    return (try await client.send(transaction), client, network.chain)
  }

  @Test("Drop", .chainFaults(ChainFaultRule(.drop)))
  func drop() async throws {
    let (hash, client, _) = try await send()
    #expect(try await !client.hasTransaction(hash))
  }

  @Test("Withhold a receipt", .chainFaults(ChainFaultRule(.withholdReceipt(blocks: 1))))
  func withhold() async throws {
    let (hash, client, chain) = try await send()
    #expect(try await client.receipt(of: hash) == nil)
    chain.mine()
    #expect(try await client.receipt(of: hash) != nil)
  }

  @Test("Lose a receipt", .chainFaults(ChainFaultRule(.loseReceipt)))
  func lose() async throws {
    let (hash, client, chain) = try await send()
    chain.mine(3)
    #expect(try await client.receipt(of: hash) == nil)
    #expect(chain.receipt(of: hash) != nil)
  }

  @Test("Stall", .chainFaults(ChainFaultRule(.stall)))
  func stall() async throws {
    let (_, _, chain) = try await send()
    #expect(chain.waitingTransactionCount == 1)
  }

  @Test("Reorganise", .chainFaults(ChainFaultRule(.reorganise(depth: 1))))
  func reorganise() async throws {
    let (hash, client, chain) = try await send()
    #expect(try await client.receipt(of: hash) == nil)
    chain.mine()
    #expect(try await client.receipt(of: hash) != nil)
  }

  @Test(
    "Refuse",
    .chainFaults(ChainFaultRule(.refuse(.refused("busy")), method: "eth_sendRawTransaction")))
  func refuse() async throws {
    await #expect(
      throws: ChainError.answered(.refused("busy"), method: "eth_sendRawTransaction")
    ) { try await send() }
  }

  @Test(
    "Delay", .chainFaults(ChainFaultRule(.delay(.seconds(7)), method: "eth_sendRawTransaction")))
  func delay() async throws {
    let clock = try PetalsNetwork.current.clock
    async let sent = send()
    try await clock.waitForSleeper(until: clock.now.offset + .seconds(7))
    clock.advance(by: .seconds(7))
    let (hash, client, _) = try await sent
    #expect(try await client.receipt(of: hash) != nil)
  }

  @Test(
    "Reset",
    .chainFaults(ChainFaultRule(.reset(afterHandling: true), method: "eth_sendRawTransaction")))
  func reset() async throws {
    await #expect(throws: ChainError.self) { try await send() }
    #expect(try PetalsNetwork.current.chain.blockNumber == 1)
  }
}
