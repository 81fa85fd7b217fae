import EVM
import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

/// Values by go-ethereum 1.13.15: eth/tracers/api.go, logger/logger.go, native/call.go and prestate.go.
@Suite("Traces as go-ethereum's", .timeLimit(.minutes(5)))
struct GethTraceTests {
  let network = TestChain()
  private let contract = Address.precompile(0xc1)
  private let poor = Address.precompile(0xef)

  private func ask(_ method: String, _ parameters: JSON...) async throws -> JSON {
    try await network.client.request(method, parameters)
  }

  private func json(_ address: Address) -> JSON { .string(address.lowercaseHex) }

  /// Traces a call of code, without gas price.
  private func trace(
    _ code: String, gas: UInt64 = 200_000, _ options: JSONObject = [:]
  ) async throws -> JSON {
    var options = options
    options["stateOverrides"] = [contract.lowercaseHex: ["code": .string(code)]]
    return try await ask(
      "debug_traceCall",
      [
        "from": json(network.account(0).address), "to": json(contract),
        "gas": .string(Quantity.encode(gas)),
      ], "latest", .object(options))
  }

  private func lastLog(_ code: String, gas: UInt64 = 200_000) async throws -> JSON {
    try #require(try await trace(code, gas: gas)["structLogs"]?.arrayValue?.last)
  }

  @Test("The struct logger has an error only where the instruction did not begin")
  func errors() async throws {
    // JUMP to what is no destination, and INVALID: the run fails, which `CaptureFault` leaves out.
    let jump = try await lastLog("0x600056")
    #expect(jump["gasCost"] == 8 && jump["error"] == nil)
    let invalid = try await lastLog("0xfe")
    #expect(invalid["gasCost"] == 0 && invalid["error"] == nil)
    let underflow = try await lastLog("0x01")
    #expect(underflow["gasCost"] == 3 && underflow["error"] == "stack underflow (0 <=> 2)")
    // 21 005 gas leave 2 for JUMP after PUSH1.
    let starved = try await lastLog("0x600056", gas: 21_005)
    #expect(starved["gas"] == 2 && starved["gasCost"] == 8 && starved["error"] == "out of gas")
    // 21 500 gas leave 494 for SSTORE, below the 2300 of EIP-2200; the slot is there all the same.
    let write = try await lastLog("0x6001600055", gas: 21_500)
    #expect(write["gas"] == 494 && write["gasCost"] == 0 && write["error"] == "out of gas")
    #expect(write["storage"] != nil)
  }

  @Test("The struct logger has a creation's own cost, and a refund with the write that earns it")
  func costs() async throws {
    let creation = try await trace("0x600060006000f000")
    #expect(creation["structLogs"]?.arrayValue?[3]["gasCost"] == 32_000)
    let writes = try await trace("0x60016000556000600055")
    let logs = try #require(writes["structLogs"]?.arrayValue)
    #expect(logs.map { $0["refund"] } == [nil, nil, nil, nil, nil, 19_900, 19_900])
  }

  @Test("callTracer has SELFDESTRUCT, the delegating contract, and no call beyond the balance")
  func frames() async throws {
    let tracer: JSONObject = ["tracer": "callTracer"]
    let destroyed = try await trace("0x60ddff", tracer)
    #expect(
      destroyed["calls"] == [
        [
          "from": json(contract), "gas": "0x0", "gasUsed": "0x0",
          "to": json(.precompile(0xdd)), "input": "0x", "value": "0x0", "type": "SELFDESTRUCT",
        ]
      ])
    let delegated = try await trace("0x600060006000600060dd6010f4", tracer)
    #expect(delegated["calls"]?.arrayValue?.first?["from"] == json(contract))
    // CALL and CREATE with a wei that the contract does not have.
    #expect(try await trace("0x6000600060006000600160dd6010f1", tracer)["calls"] == nil)
    #expect(try await trace("0x600060006001f0", tracer)["calls"] == nil)
  }

  @Test("prestateTracer leaves out the contract that a transaction creates, with code or without")
  func creations() async throws {
    let sender = network.account(0).address
    let created = Address.ofContract(
      createdBy: sender, nonce: network.chain.nonce(of: sender))
    // STOP, and init code that returns a byte of code.
    for code in ["0x00", "0x60016000f3"] as [JSON] {
      let prestate = try await ask(
        "debug_traceCall", ["from": json(sender), "input": code], "latest",
        ["tracer": "prestateTracer"])
      #expect(prestate[created.lowercaseHex] == nil)
      #expect(prestate[sender.lowercaseHex] != nil)
    }
    // `exists()` counts a slot that the constructor accessed, if only as zero.
    let kept = try await ask(
      "debug_traceCall", ["from": json(sender), "input": "0x600054"], "latest",
      ["tracer": "prestateTracer"])
    let storage: JSON = .object(
      JSONObject(uniqueMembers: [(Hash32.zero.hex, .string(Hash32.zero.hex))]))
    #expect(kept[created.lowercaseHex] == ["balance": "0x0", "storage": storage])
    // A contract that code creates stays, empty.
    let inner = Address.ofContract(createdBy: contract, nonce: 0)
    let prestate = try await trace("0x600060006000f0", ["tracer": "prestateTracer"])
    #expect(prestate[inner.lowercaseHex] == ["balance": "0x0"])
  }

  @Test("debug_traceCall asks of a call what is asked of a transaction")
  func payment() async throws {
    let call: JSON = ["from": json(poor), "to": json(contract), "value": "0x5"]
    #expect(
      try await network.failure("debug_traceCall", call, "latest")
        == .refused(
          "tracing failed: insufficient funds for gas * price + value: "
            + "address \(poor.checksummed) have 0 want 5"))
    let cheap: JSON = ["from": json(poor), "to": json(contract), "gasPrice": "0x1"]
    let baseFee = network.chain.latestBlock.header.baseFeePerGas
    #expect(
      try await network.failure("debug_traceCall", cheap, "latest")
        == .refused(
          "tracing failed: max fee per gas less than block base fee: "
            + "address \(poor.checksummed), maxFeePerGas: 1, baseFee: \(baseFee)"))
    let short: JSON = ["from": json(poor), "to": json(contract), "gas": "0x5207"]
    #expect(
      try await network.failure("debug_traceCall", short, "latest")
        == .refused("tracing failed: intrinsic gas too low: have 20999, want 21000"))
  }

  @Test("debug_traceCall refuses blocks in its own words, and has no bad blocks")
  func blocks() async throws {
    let call: JSON = ["to": json(contract)]
    let unknown = Hash32(word: 7)
    for (block, words) in [
      ("pending", "tracing on top of pending is not supported"),
      ("0x999", "block #2457 not found"),
      (.string(unknown.hex), "block \(unknown.hex) not found"),
    ] as [(JSON, String)] {
      #expect(try await network.failure("debug_traceCall", call, block) == .refused(words))
    }
    #expect(try await ask("debug_getBadBlocks") == [])
  }

  @Test("debug_traceCall with txIndex runs before that transaction of the block")
  func transactionIndex() async throws {
    // Slot 0 counts the calls, and a call's trace has what it was.
    _ = try await ask("anvil_setCode", json(contract), "0x600054600101600055")
    network.chain.setMining(.manual)
    for nonce in 0..<2 as Range<UInt64> {
      _ = try await network.client.send(
        network.transaction(from: network.account(0), nonce: nonce, to: contract))
    }
    network.chain.mine(1)
    func count(_ options: JSONObject) async throws -> JSON? {
      var options = options
      options["tracer"] = "prestateTracer"
      let state = try await ask(
        "debug_traceCall", ["to": json(contract)], "latest", .object(options))
      return state[contract.lowercaseHex]?["storage"]?[Hash32.zero.hex]
    }
    for (index, value) in [("0x0", 0), ("0x1", 1)] as [(JSON, UInt64)] {
      #expect(try await count(["txIndex": index]) == .string(Hash32(word: Word(value)).hex))
    }
    #expect(try await count([:]) == .string(Hash32(word: 2).hex))
    let block = network.chain.latestBlock
    #expect(
      try await network.failure(
        "debug_traceCall", ["to": json(contract)], "latest", ["txIndex": "0x2"])
        == .refused("transaction index 2 out of range for block \(block.hash.hex)"))
    #expect(
      try await network.failure(
        "debug_traceCall", ["to": json(contract)], "earliest", ["txIndex": "0x0"])
        == .refused("no transaction in genesis"))
  }
}
