import EVM
import EthereumClient
import EthereumPrimitives
import Foundation
import MockServing
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

/// A chain that is forked from another one over a socket.
struct ForkFixture {
  let remote = TestChain(ChainConfiguration(chainID: 777))
  let stranger = Address.precompile(0xcd)

  /// Without input it returns slot 0; else it writes the input's first word there, and logs it as the
  /// topic.
  private static let noteCode: [UInt8] = [
    0x36, 0x60, 0x0f, 0x57, 0x60, 0, 0x54, 0x60, 0, 0x52, 0x60, 0x20, 0x60, 0, 0xf3,
    0x5b, 0x60, 0, 0x35, 0x80, 0x60, 0, 0x55, 0x60, 0, 0x60, 0, 0xa1, 0x00,
  ]

  /// Creates the contract at the remote chain, in its next block.
  func deploy() async throws -> Address {
    let code = Self.noteCode
    let count = UInt8(code.count)
    let initCode: [UInt8] =
      [0x60, count, 0x60, 12, 0x60, 0, 0x39, 0x60, count, 0x60, 0, 0xf3] + code
    let sender = remote.account(3).address
    let nonce = remote.chain.nonce(of: sender)
    _ = try await remote.client.request(
      "eth_sendTransaction",
      [["from": .string(sender.lowercaseHex), "data": .string(Hex.encode(initCode))]])
    return Address.ofContract(createdBy: sender, nonce: nonce)
  }

  /// A transaction to the contract.
  @discardableResult
  func note(_ value: UInt64, in contract: Address, on chain: TestChain) async throws -> JSON {
    let sender = chain.account(4).address
    return try await chain.client.request(
      "eth_sendTransaction",
      [
        [
          "from": .string(sender.lowercaseHex), "to": .string(contract.lowercaseHex),
          "data": .string(Self.word(value)),
        ]
      ])
  }

  static func word(_ value: UInt64) -> String { Hash32(word: Word(value)).hex }

  /// A fork of the chain at an address.
  func fork(_ url: String, at number: UInt64? = nil) async throws -> TestChain {
    var configuration = ChainConfiguration()
    try await configuration.fork(from: url, at: number)
    return TestChain(configuration)
  }

  func withFork(
    at number: UInt64? = nil, _ body: (TestChain) async throws -> Void
  ) async throws {
    try await remote.chain.withServer { address in
      try await body(try await fork(address.url, at: number))
    }
  }
}

@Suite("Forking", .timeLimit(.minutes(5)))
struct ForkingTests {
  let fixture = ForkFixture()
  var remote: TestChain { fixture.remote }

  private func json(_ address: Address) -> JSON { .string(address.lowercaseHex) }

  @Test("Balances, nonces and the chain's id are the remote chain's as of the block")
  func accounts() async throws {
    remote.chain.fund(fixture.stranger, 500)
    try await remote.send(to: fixture.stranger, from: remote.account(0), value: 7)
    try await fixture.withFork { fork in
      // What happens there afterwards is not seen here.
      try await remote.send(to: fixture.stranger, from: remote.account(0), value: 1)
      let stranger = json(fixture.stranger)
      #expect(try await fork.client.request("eth_getBalance", [stranger, "latest"]) == "0x1fb")
      #expect(try await fork.client.request("eth_chainId") == "0x309")
      #expect(try await fork.client.request("eth_blockNumber") == "0x1")
      #expect(
        try await fork.client.request(
          "eth_getTransactionCount", [json(remote.account(0).address), "latest"]) == "0x1")
      // A transaction here goes on from there.
      try await fork.send(to: fixture.stranger, from: fork.account(0), value: 5)
      #expect(try await fork.client.request("eth_getBalance", [stranger, "latest"]) == "0x200")
      #expect(try await fork.client.request("eth_blockNumber") == "0x2")
      let block = try await fork.client.request("eth_getBlockByNumber", ["0x2", false])
      let parent = try #require(remote.chain.block(1))
      #expect(block["parentHash"] == .string(parent.hash.hex))
    }
  }

  @Test("A contract of the remote chain is called and written here, and never changes there")
  func contract() async throws {
    let contract = try await fixture.deploy()
    try await fixture.note(7, in: contract, on: remote)
    let height = remote.chain.blockNumber
    try await fixture.withFork { fork in
      func value() async throws -> JSON {
        try await fork.client.request("eth_call", [["to": json(contract)], "latest"])
      }
      #expect(try await value() == .string(ForkFixture.word(7)))
      try await fixture.note(9, in: contract, on: fork)
      #expect(try await value() == .string(ForkFixture.word(9)))
      #expect(
        try await fork.client.request("eth_call", [["to": json(contract)], .string("0x2")])
          == .string(ForkFixture.word(7)))
      // A slot that is cleared here is not read from there again.
      _ = try await fork.client.request(
        "anvil_setStorageAt", [json(contract), "0x0", .string(ForkFixture.word(0))])
      #expect(try await value() == .string(ForkFixture.word(0)))
      _ = try await fork.client.request("anvil_setCode", [json(contract), "0x"])
      #expect(try await fork.client.request("eth_getCode", [json(contract), "latest"]) == "0x")
    }
    #expect(remote.chain.blockNumber == height && remote.chain.waitingTransactionCount == 0)
    #expect(
      try await remote.client.request("eth_getStorageAt", [json(contract), "0x0", "latest"])
        == .string(ForkFixture.word(7)))
  }

  @Test("Logs, blocks, receipts and earlier states go across the fork")
  func history() async throws {
    let contract = try await fixture.deploy()
    let early = try await fixture.note(7, in: contract, on: remote)
    remote.chain.mine()
    try await fixture.withFork { fork in
      let late = try await fixture.note(8, in: contract, on: remote)
      let local = try await fixture.note(9, in: contract, on: fork)
      let all = try await fork.client.request(
        "eth_getLogs", [["fromBlock": "earliest", "address": json(contract)]])
      #expect(
        all.arrayValue?.map { $0["topics"]?.arrayValue?.first?.stringValue }
          == [ForkFixture.word(7), ForkFixture.word(9)])
      #expect(all.arrayValue?.map { $0["blockNumber"] } == ["0x2", "0x4"])
      #expect(
        try await fork.client.request("eth_getLogs", [["fromBlock": "0x4"]]).arrayValue?.count == 1)
      #expect(
        try await fork.client.request("eth_getLogs", [["toBlock": "0x3", "fromBlock": "0x0"]])
          .arrayValue?.count == 1)
      let filter = try await fork.client.request(
        "eth_newFilter", [["fromBlock": "0x1", "address": json(contract)]])
      #expect(
        try await fork.client.request("eth_getFilterLogs", [filter]).arrayValue?.count == 2)
      // Of each block, transaction and state the chain that has it.
      for method in ["eth_getTransactionByHash", "eth_getTransactionReceipt"] {
        #expect(
          try await fork.client.request(method, [early]) == remote.client.request(method, [early]))
        #expect(try await fork.client.request(method, [late]).isNull)
        #expect(try await fork.client.request(method, [local])["blockNumber"] == "0x4")
      }
      for number in ["earliest", "0x2", "0x3"] as [JSON] {
        let block = try await fork.client.request("eth_getBlockByNumber", [number, true])
        #expect(try await block == remote.client.request("eth_getBlockByNumber", [number, true]))
        let hash = try #require(block["hash"])
        #expect(try await fork.client.request("eth_getBlockByHash", [hash, true]) == block)
      }
      let hidden = try #require(remote.chain.block(4)).hash.hex
      #expect(
        try await fork.client.request("eth_getBlockByHash", [.string(hidden), false]).isNull)
      #expect(
        try await fork.client.request("eth_call", [["to": json(contract)], "0x1"])
          == .string(ForkFixture.word(0)))
      let hash = try await fork.client.request("eth_call", [["data": "0x60024060005260206000f3"]])
      let second = try #require(remote.chain.block(2))
      #expect(hash == .string(second.hash.hex))
      #expect(
        try await fork.client.request("eth_feeHistory", ["0x2", "latest", []])["oldestBlock"]
          == "0x3")
    }
  }

  @Test("Logs are of the block that a hash names, on either side of the fork, or refused")
  func logsByBlockHash() async throws {
    let contract = try await fixture.deploy()
    try await fixture.note(7, in: contract, on: remote)
    try await fixture.withFork { fork in
      try await fixture.note(8, in: contract, on: remote)
      try await fixture.note(9, in: contract, on: fork)
      for (chain, number, topic) in [(remote, 2, 7), (fork, 3, 9)] as [(TestChain, UInt64, UInt64)]
      {
        let hash = try #require(chain.chain.block(number)).hash.hex
        let logs = try await fork.client.request("eth_getLogs", [["blockHash": .string(hash)]])
        #expect(
          logs.arrayValue?.map { $0["topics"]?.arrayValue?.first?.stringValue }
            == [ForkFixture.word(topic)])
      }
      let empty = try #require(remote.chain.block(1)).hash.hex
      #expect(try await fork.client.request("eth_getLogs", [["blockHash": .string(empty)]]) == [])
      // A block that nobody has, and one that the remote chain mined after the fork.
      let hidden = try #require(remote.chain.block(3)).hash
      for hash in [Hash32(word: 5), hidden] {
        #expect(
          try await fork.failure("eth_getLogs", ["blockHash": .string(hash.hex)])
            == .refused("unknown block"))
      }
    }
  }

  @Test("Blocks of before the fork are traced by the remote chain")
  func blockTraces() async throws {
    let contract = try await fixture.deploy()
    try await fixture.note(7, in: contract, on: remote)
    try await fixture.withFork { fork in
      try await fixture.note(8, in: contract, on: remote)
      try await fixture.note(9, in: contract, on: fork)
      let old = try await fork.client.request("debug_traceBlockByNumber", ["0x2"])
      #expect(try await old == remote.client.request("debug_traceBlockByNumber", ["0x2"]))
      #expect(old.arrayValue?.count == 1)
      let own = try await fork.client.request("debug_traceBlockByNumber", ["latest"])
      let block = try await fork.client.request("eth_getBlockByNumber", ["0x3", false])
      #expect(own.arrayValue?.first?["txHash"] == block["transactions"]?.arrayValue?.first)
    }
  }

  @Test("Nothing is asked twice, whatever the chain does with it")
  func cache() async throws {
    let contract = try await fixture.deploy()
    try await fixture.note(7, in: contract, on: remote)
    try await fixture.withFork { fork in
      let asked = remote.chain.journal.entries.count
      for _ in 0..<3 {
        _ = try await fork.client.request("eth_call", [["to": json(contract)], "latest"])
        _ = try await fork.client.request("eth_getBlockByNumber", ["0x1", true])
        try await fixture.note(7, in: contract, on: fork)
      }
      let requests = remote.chain.journal.entries.dropFirst(asked).map {
        "\($0.method) \($0.parameters)"
      }
      #expect(Set(requests).count == requests.count)
      // The contract's account and its slot, the caller, the coinbase, the block.
      #expect(requests.filter { $0.hasPrefix("eth_getStorageAt") }.count == 1)
      #expect(requests.filter { $0.hasPrefix("eth_getBlockByNumber") }.count == 1)
      #expect(requests.filter { $0.contains(contract.lowercaseHex) }.count == 4)
    }
  }

  @Test("When the remote chain is gone, what was read stays, and another server takes its place")
  func outage() async throws {
    let contract = try await fixture.deploy()
    remote.chain.fund(fixture.stranger, 500)
    let (fork, url) = try await remote.chain.withServer { address in
      let fork = try await fixture.fork(address.url)
      _ = try await fork.client.request("eth_getBalance", [json(contract), "latest"])
      return (fork, address.url)
    }
    #expect(try await fork.client.request("eth_getBalance", [json(contract), "latest"]) == "0x0")
    let failure = try #require(
      try await fork.failure("eth_getBalance", json(fixture.stranger), "latest"))
    #expect(failure.message.contains(url) && failure.message.contains("eth_getBalance"))
    #expect(failure.message.contains("anvil_setRPCUrl"))
    // A transaction that needs what is not there is refused, and nothing changes.
    let transfer: JSON = ["from": json(fork.account(0).address), "to": json(fixture.stranger)]
    #expect(try await fork.failure("eth_sendTransaction", transfer) != nil)
    #expect(try await fork.client.request("eth_blockNumber") == "0x1")
    try await remote.chain.withServer { address in
      _ = try await fork.client.request("anvil_setRPCUrl", [.string(address.url)])
      #expect(
        try await fork.client.request("eth_getBalance", [json(fixture.stranger), "latest"])
          == "0x1f4")
      _ = try await fork.client.request("eth_sendTransaction", [transfer])
      #expect(try await fork.client.request("eth_blockNumber") == "0x2")
    }
  }
}
