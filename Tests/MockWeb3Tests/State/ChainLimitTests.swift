import EVM
import EthereumClient
import EthereumPrimitives
import Foundation
import MockServing
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

/// What a hostile or careless program does to a chain: time and memory stay in proportion to its gas.
@Suite("Limits of a chain", .timeLimit(.minutes(5)))
struct ChainLimitTests {
  private let contract: JSON = "0x00000000000000000000000000000000000000cc"

  private func overrides(_ code: String) -> JSON {
    [contract.stringValue ?? "": ["code": .string(code)]]
  }

  /// Registers an agent by 0x21 for each turn of a loop, with the turn as beneficiary, until its gas is
  /// used up: 20 million gas have room for thousands.
  ///
  /// Where each copied those before it, this took gigabytes.
  @Test("Thousands of registrations in one call end with its gas")
  func registrations() async throws {
    let network = TestChain()
    // Memory: the name, the model's hash and the capabilities' place stay zero but for a name; the
    // beneficiary is the gas that is left, which differs each time.
    let code =
      "0x6041600053" + "5b" + "5a606052" + "600060006080600060006021" + "5af1" + "50" + "6005"
      + "56"
    let call: JSON = ["to": contract, "gas": "0x1312d00"]
    let failure = try #require(
      try await network.failure("eth_call", call, "latest", overrides(code)))
    #expect(failure == .refused("out of gas"))
    #expect(network.chain.agent(.precompile(0xcc)) == nil)
  }

  @Test("The hashes of old blocks are those of the blocks, from the stack as from the chain")
  func oldHashes() async throws {
    let network = TestChain()
    network.chain.mine(400)
    for number in [150, 200, 272, 273, 399] as [UInt64] {
      // BLOCKHASH of the number.
      let digits = String(number, radix: 16)
      let push = "61" + String(repeating: "0", count: 4 - digits.count) + digits
      let answer = try await network.client.request(
        "eth_call", [["to": contract], "latest", overrides("0x\(push)4060005260206000f3")])
      #expect(answer.stringValue == network.chain.block(number)?.hash.hex)
    }
  }

  @Test("Hundreds of creations with init code of megabytes end with the gas")
  func longInitCode() async throws {
    let network = TestChain()
    // 2 MB of memory, and CREATE of all of it until the gas is used up. Where each hashed it and searched it
    // for jump destinations, this took minutes.
    let code = "0x6000621e8480535b621e848160006000f0506007" + "56"
    let failure = try #require(
      try await network.failure(
        "eth_call", ["to": contract, "gas": "0x1c9c380"], "latest", overrides(code)))
    #expect(failure == .refused("out of gas"))
  }

  @Test("The shares of blocks with all the gas that a number holds are counted")
  func gasOfAllBits() async throws {
    var configuration = ChainConfiguration()
    configuration.rules.blockGasLimit = .max
    configuration.transactionFeeCap = nil
    let network = TestChain(configuration)
    let target = Address.precompile(0xcc)
    _ = try await network.client.request(
      "anvil_setCode", [.string(target.lowercaseHex), "0xfe"])
    for _ in 0..<2 {
      _ = try await network.client.request("anvil_setNextBlockBaseFeePerGas", ["0x1"])
      _ = try await network.client.send(
        network.transaction(
          from: network.account(0), fee: .legacy(gasPrice: 0x10), gas: 0x8000_0000_0000_0005,
          to: target))
    }
    let history = try await network.client.request(
      "eth_feeHistory", ["0x4", "latest", [0, 50, 100]])
    #expect(history["gasUsedRatio"]?.arrayValue?.isEmpty == false)
  }

  @Test("A fault for every method leaves the chain's own methods alone")
  func ownMethods() async throws {
    let network = TestChain()
    let rule: JSON = ["fault": "error", "code": -32000, "message": "no", "count": 1_000_000]
    _ = try await network.client.request("plumise_setFaults", [[rule]])
    #expect(try await network.failure("eth_blockNumber") == .refused("no"))
    _ = try await network.client.request("plumise_setFaults", [[]])
    #expect(try await network.client.request("eth_blockNumber", []) == "0x0")
  }

  @Test("No filter gets the id of one that a revert took away")
  func filterIDs() async throws {
    let network = TestChain()
    let snapshot = try await network.client.request("evm_snapshot", [])
    let first = try await network.client.request("eth_newFilter", [[:]])
    _ = try await network.client.request("evm_revert", [snapshot])
    #expect(try await network.client.request("eth_newBlockFilter", []) != first)
  }

  @Test("A balance beyond the largest word begins at 0 again, as go-ethereum's does")
  func largestBalance() async throws {
    let network = TestChain()
    let target = Address.precompile(0xcc)
    let name = JSON.string(target.lowercaseHex)
    _ = try await network.client.request("anvil_setCode", [name, "0x00"])
    _ = try await network.client.request(
      "anvil_setBalance", [name, .string(Quantity.encode(.max))])
    try await network.send(to: target, from: network.account(0), value: 5)
    #expect(network.chain.balance(of: target) == 4)
  }

  @Test("The sealer gets the tips and is COINBASE; checkpoints list it; a file keeps both")
  func clique() async throws {
    var configuration = ChainConfiguration()
    configuration.sealer = configuration.accounts[9].key
    let network = TestChain(configuration)
    let sealer = network.account(9).address
    let before = network.chain.balance(of: sealer)
    try await network.send(to: .precompile(0xab), from: network.account(0), value: 1)
    #expect(network.chain.balance(of: sealer) > before)
    #expect(network.chain.latestBlock.header.coinbase == .zero)
    #expect(try await network.client.request("eth_coinbase", []) == .string(sealer.lowercaseHex))
    let answer = try await network.client.request(
      "eth_call", [["to": contract], "latest", overrides("0x4160005260206000f3")])
    #expect(answer.stringValue == Hash32(word: sealer.word).hex)
    network.chain.mine(30_000 - 1)
    let checkpoint = try #require(network.chain.block(30_000)).header
    #expect(checkpoint.extraData.count == 117)
    #expect(Array(checkpoint.extraData[32..<52]) == sealer.bytes)
    let status = try await network.client.request("clique_status", [])
    #expect(status["numBlocks"] == 64)
    #expect(
      try await network.failure("clique_getSigner", "0xffffff")
        == .refused("missing block 0xffffff"))
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "chain")
      try network.chain.dump(to: file)
      let again = MockWeb3(configuration)
      try again.load(from: file)
      #expect(again.latestBlock.hash == network.chain.latestBlock.hash)
    }
  }

  @Test("A failed transaction of a block that no request made is in the journal")
  func journal() async throws {
    let network = TestChain()
    network.chain.setMining(.manual)
    let target = Address.precompile(0xcc)
    _ = try await network.client.request(
      "anvil_setCode", [.string(target.lowercaseHex), "0x60006000fd"])
    _ = try await network.client.send(network.transaction(from: network.account(0), to: target))
    network.chain.mine(1)
    let last = try #require(network.chain.journal.entries.last)
    #expect(last.method == RPCExchange.blockProduction)
    #expect(last.warnings.first?.contains("execution reverted") == true)
  }

  @Test("A trace whose time is up is refused, and a time that is none as well")
  func traceTimeout() async throws {
    let network = TestChain()
    let call: JSON = ["to": contract, "gas": "0x30d40"]
    var options: JSONObject = ["timeout": "1ns", "stateOverrides": overrides("0x5b600056")]
    #expect(
      try await network.failure("debug_traceCall", call, "latest", .object(options))
        == .refused("execution timeout"))
    options["timeout"] = "abc"
    #expect(
      try await network.failure("debug_traceCall", call, "latest", .object(options))
        == .refused("time: invalid duration \"abc\""))
  }
}
