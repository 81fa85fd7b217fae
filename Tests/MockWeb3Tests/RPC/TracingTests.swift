import EthereumClient
import EthereumPrimitives
import MockServing
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

@Suite("Traces, overrides and access lists", .timeLimit(.minutes(5)))
struct TracingTests {
  let network = TestChain()
  var sender: DevelopmentAccount { network.account(0) }
  private let contract = Address.precompile(0xc1)
  private let callee = Address.precompile(0xc2)

  private func ask(_ method: String, _ parameters: JSON...) async throws -> JSON {
    try await network.client.request(method, parameters)
  }

  private func json(_ address: Address) -> JSON { .string(address.lowercaseHex) }

  private func word(_ value: UInt64) -> JSON { .string(Hash32(word: Word(value)).hex) }

  /// PUSH1 1, PUSH1 2, ADD, PUSH1 0, SSTORE, STOP.
  private let addition: JSON = "0x60016002016000550000"
  /// Calls 0xc2 with 50 000 gas, and reverts with what that returned.
  private let reverting: JSON =
    "0x600060006000600060006100c261c350f13d600060003e3d6000fd"
  /// Reverts with Panic(0x11).
  private let panicking: JSON = .string(
    "0x7f4e487b71" + String(repeating: "0", count: 56) + "600052601160045260246000fd")

  @Test("The struct logger has each instruction with its gas, its stack and its storage")
  func structLogger() async throws {
    _ = try await ask("anvil_setCode", json(contract), addition)
    let receipt = try await network.send(to: contract, from: sender)
    let trace = try await ask(
      "debug_traceTransaction", .string(receipt.transactionHash.hex), ["enableMemory": true])
    #expect(trace["gas"] == .integer(receipt.gasUsed))
    #expect(trace["failed"] == false && trace["returnValue"] == "")
    let logs = try #require(trace["structLogs"]?.arrayValue)
    #expect(
      logs.map { $0["op"] } == ["PUSH1", "PUSH1", "ADD", "PUSH1", "SSTORE", "STOP"])
    // A first write to a cold slot: 20 000 and 2 100 (EIP-2929).
    #expect(logs.map { $0["gasCost"] } == [3, 3, 3, 3, 22_100, 0])
    #expect(logs.map { $0["pc"] } == [0, 2, 4, 5, 7, 8])
    #expect(logs.allSatisfy { $0["depth"] == 1 && $0["memory"] == [] })
    #expect(logs[2]["stack"] == ["0x1", "0x2"] && logs[4]["stack"] == ["0x3", "0x0"])
    let digits = { (value: UInt64) in String(Hash32(word: Word(value)).hex.dropFirst(2)) }
    #expect(logs[4]["storage"]?[digits(0)] == .string(digits(3)))
    #expect(logs[0]["gas"] == .integer(300_000 - 21_000))
    let short = try await ask(
      "debug_traceTransaction", .string(receipt.transactionHash.hex),
      ["disableStack": true, "limit": 2])
    #expect(short["structLogs"]?.arrayValue?.count == 2)
    #expect(short["structLogs"]?.arrayValue?.first?["stack"] == nil)
  }

  @Test("callTracer has the tree of calls, with the reason of a revert")
  func callTracer() async throws {
    _ = try await ask("hardhat_setCode", json(contract), reverting)
    _ = try await ask("anvil_setCode", json(callee), panicking)
    let receipt = try await network.send(to: contract, from: sender)
    #expect(!receipt.succeeded)
    let trace = try await ask(
      "debug_traceTransaction", .string(receipt.transactionHash.hex), ["tracer": "callTracer"])
    #expect(trace["type"] == "CALL" && trace["from"] == json(sender.address))
    #expect(trace["to"] == json(contract) && trace["gas"] == "0x493e0")
    #expect(trace["gasUsed"] == .string(Quantity.encode(receipt.gasUsed)))
    #expect(trace["error"] == "execution reverted")
    #expect(trace["revertReason"] == "arithmetic underflow or overflow")
    let calls = try #require(trace["calls"]?.arrayValue)
    #expect(calls.count == 1 && calls[0]["to"] == json(callee) && calls[0]["gas"] == "0xc350")
    #expect(calls[0]["output"] == trace["output"] && calls[0]["calls"] == nil)
    let top = try await ask(
      "debug_traceTransaction", .string(receipt.transactionHash.hex),
      ["tracer": "callTracer", "tracerConfig": ["onlyTopCall": true]])
    #expect(top["calls"] == nil && top["error"] == "execution reverted")
  }

  @Test("The journal has the reason, the instruction and the calls of a failed transaction")
  func warnings() async throws {
    _ = try await ask("anvil_setCode", json(contract), reverting)
    _ = try await ask("anvil_setCode", json(callee), panicking)
    let receipt = try await network.send(to: contract, from: sender)
    let path = [sender.address, contract, callee].map(\.checksummed).joined(separator: " → ")
    #expect(
      network.chain.journal.entries.flatMap(\.warnings) == [
        "transaction \(receipt.transactionHash.hex) failed: execution reverted: arithmetic "
          + "underflow or overflow at REVERT, in the calls \(path)"
      ])
  }

  @Test("The journal names an address without code that was called with data")
  func calledNobody() async throws {
    try await network.send([1], to: .precompile(0xdd), from: sender)
    try await network.send(to: .precompile(0xdd), from: sender, value: 1)
    let warnings = network.chain.journal.entries.flatMap(\.warnings)
    #expect(warnings.count == 1)
    #expect(
      warnings.first?.hasSuffix(
        "called \(Address.precompile(0xdd).checksummed), which has no code: only its value was moved"
      )
        == true)
  }

  @Test("Traces run on the state between the transactions of a block")
  func laterTransaction() async throws {
    _ = try await ask("anvil_setCode", json(contract), "0x600054600101600055")
    network.chain.setMining(.manual)
    let sent = (0..<3 as Range<UInt64>).map {
      network.transaction(from: sender, nonce: $0, to: contract)
    }
    for transaction in sent { _ = try await network.client.send(transaction) }
    network.chain.mine(1)
    for (index, transaction) in sent.enumerated() {
      let trace = try await ask(
        "debug_traceTransaction", .string(transaction.hash.hex), ["tracer": "prestateTracer"])
      let slot = trace[contract.lowercaseHex]?["storage"]?[Hash32.zero.hex]
      #expect(slot == word(UInt64(index)))
      #expect(trace[sender.address.lowercaseHex]?["nonce"] == (index == 0 ? nil : .integer(index)))
      let difference = try await ask(
        "debug_traceTransaction", .string(transaction.hash.hex),
        ["tracer": "prestateTracer", "tracerConfig": ["diffMode": true]])
      let after = difference["post"]?[contract.lowercaseHex]
      #expect(after?["storage"]?[Hash32.zero.hex] == word(UInt64(index + 1)))
      #expect(after?["balance"] == nil)
    }
  }

  @Test("A block's trace has each of its transactions, as traced alone, by number and by hash")
  func traceBlock() async throws {
    _ = try await ask("anvil_setCode", json(contract), "0x600054600101600055")
    network.chain.setMining(.manual)
    let sent = (0..<3 as Range<UInt64>).map {
      network.transaction(from: sender, nonce: $0, to: contract)
    }
    for transaction in sent { _ = try await network.client.send(transaction) }
    network.chain.mine(1)
    let number = JSON.string(Quantity.encode(network.chain.blockNumber))
    let hash = JSON.string(network.chain.latestBlock.hash.hex)
    for options in [[:], ["tracer": "callTracer"], ["tracer": "prestateTracer"]] as [JSON] {
      let trace = try await ask("debug_traceBlockByNumber", number, options)
      var alone: [JSON] = []
      for transaction in sent {
        let hash = JSON.string(transaction.hash.hex)
        alone.append([
          "txHash": hash, "result": try await ask("debug_traceTransaction", hash, options),
        ])
      }
      #expect(trace == .array(alone))
      #expect(try await ask("debug_traceBlockByHash", hash, options) == trace)
      #expect(try await ask("debug_traceBlockByNumber", "latest", options) == trace)
    }
  }

  @Test("A block without transactions has an empty trace, and what is no block is refused")
  func traceOtherBlocks() async throws {
    network.chain.mine(1)
    #expect(try await ask("debug_traceBlockByNumber", "latest") == [])
    // go-ethereum 1.13.15, eth/tracers/api.go: traceBlock, blockByNumber, blockByHash.
    #expect(
      try await network.failure("debug_traceBlockByNumber", "0x0")
        == .refused("genesis is not traceable"))
    #expect(
      try await network.failure("debug_traceBlockByNumber", "0x63")
        == .refused("block #99 not found"))
    #expect(
      try await network.failure("debug_traceBlockByHash", word(5))
        == .refused("block \(Hash32(word: 5).hex) not found"))
    network.chain.mine(300)
    #expect(
      try await network.failure("debug_traceBlockByNumber", "0x1")
        == .refused("required historical state unavailable (reexec=128)"))
  }

  @Test("A transaction that a fault reverted has an error in its block's trace, others a result")
  func traceFault() async throws {
    _ = try await ask("anvil_setCode", json(contract), "0x600054600101600055")
    network.chain.setMining(.manual)
    network.chain.inject(.revert(reason: "no"))
    for nonce in 0..<2 as Range<UInt64> {
      _ = try await network.client.send(
        network.transaction(from: sender, nonce: nonce, to: contract))
    }
    network.chain.mine(1)
    let trace = try await ask(
      "debug_traceBlockByNumber", "latest", ["tracer": "prestateTracer"])
    let entries = try #require(trace.arrayValue)
    #expect(entries.count == 2 && entries[0]["result"] == nil)
    #expect(entries[0]["error"] == "a fault reverted the transaction: no code ran")
    // The second one finds the slot as the first left it: empty.
    #expect(entries[1]["error"] == nil)
    let read = entries[1]["result"]?[contract.lowercaseHex]
    #expect(read?["storage"]?[Hash32.zero.hex] == word(0))
  }

  @Test("debug_traceCall traces a call with overrides, and an unknown tracer is refused")
  func traceCall() async throws {
    let call: JSON = ["from": json(sender.address), "to": json(contract)]
    let trace = try await ask(
      "debug_traceCall", call, "latest",
      ["stateOverrides": [contract.lowercaseHex: ["code": addition]]])
    #expect(trace["structLogs"]?.arrayValue?.count == 6)
    #expect(trace["gas"] == .integer(21_000 + 12 + 22_100))
    let failure = try await network.failure(
      "debug_traceCall", call, "latest", ["tracer": "noTracer"])
    #expect(failure?.message.contains("callTracer and prestateTracer") == true)
    #expect(
      try await network.failure("debug_traceTransaction", .string(Hash32.zero.hex))
        == .refused("transaction not found"))
  }

  @Test("A call sees the overrides of accounts and block, and the chain does not change")
  func overrides() async throws {
    // Returns SLOAD(0), SELFBALANCE, NUMBER and TIMESTAMP.
    let packed: JSON = "0x60005460005247602052436040524260605260806000f3"
    let call: JSON = ["to": json(contract)]
    func values(_ state: JSON, _ block: JSON) async throws -> [Word] {
      let answer = try await ask("eth_call", call, "latest", state, block)
      let bytes = try Hex.decode(try #require(answer.stringValue))
      return try stride(from: 0, to: bytes.count, by: 32).map {
        try Word(bigEndian: bytes[$0..<($0 + 32)])
      }
    }
    let account: JSON = [
      "code": packed, "balance": "0x7",
      "stateDiff": .object(
        JSONObject(uniqueMembers: [(Hash32.zero.hex, word(5))])),
    ]
    let block: JSON = ["number": "0x63", "time": "0x64"]
    #expect(try await values([contract.lowercaseHex: account], block) == [5, 7, 0x63, 0x64])
    #expect(try await ask("eth_getCode", json(contract), "latest") == "0x")
    let both: JSON = ["state": [:], "stateDiff": [:]]
    #expect(
      try await network.failure("eth_call", call, "latest", [contract.lowercaseHex: both])
        == .refused("account \(contract.checksummed) has both 'state' and 'stateDiff'"))
    let estimate = try await ask(
      "eth_estimateGas", call, "latest", [contract.lowercaseHex: ["code": addition]])
    #expect(try Quantity.decode(estimate.stringValue ?? "") > 43_000)
  }

  @Test("An access list names the slots and accounts that a call uses")
  func accessList() async throws {
    _ = try await ask("anvil_setCode", json(contract), reverting)
    _ = try await ask("anvil_setCode", json(callee), addition)
    let answer = try await ask(
      "eth_createAccessList", ["from": json(sender.address), "to": json(contract)], "latest")
    #expect(
      answer["accessList"] == [
        ["address": json(callee), "storageKeys": [.string(Hash32.zero.hex)]]
      ]
    )
    #expect(answer["error"] == "execution reverted" && answer["gasUsed"] != nil)
  }

  @Test("Code and storage that a test sets survive reorganisations and files")
  func edits() async throws {
    _ = try await ask("anvil_setCode", json(contract), "0x60005460005260206000f3")
    #expect(try await ask("anvil_setStorageAt", json(contract), "0x0", word(9)) == true)
    network.chain.mine(2)
    _ = try await ask("anvil_reorg", 2)
    let call: JSON = ["to": json(contract)]
    #expect(try await ask("eth_call", call, "latest") == word(9))
    let state = try await ask("anvil_dumpState")
    let other = TestChain()
    #expect(try await other.client.request("anvil_loadState", [state]) == true)
    #expect(try await other.client.request("eth_call", [call, "latest"]) == word(9))
  }

  @Test("Code that a test puts in the place of a native contract runs")
  func replacedContract() async throws {
    let registry = PlumiseNetwork.Contract.agentRegistry
    _ = try await ask("anvil_setCode", json(registry), "0x602a60005260206000f3")
    #expect(try await ask("eth_call", ["to": json(registry)], "latest") == word(42))
  }
}
