import EVM
import EthereumClient
import EthereumPrimitives
import MockServing
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

@Suite("Old blocks", .timeLimit(.minutes(5)))
struct OldBlockTests {
  let network = TestChain()

  private func ask(_ method: String, _ parameters: JSON...) async throws -> JSON {
    try await network.client.request(method, parameters)
  }

  @Test(
    "An unsealed block has the fields of its fork, also when it is old",
    arguments: Hardfork.allCases)
  func forks(fork: Hardfork) async throws {
    var configuration = ChainConfiguration()
    configuration.rules.hardfork = fork
    let network = TestChain(configuration)
    let block = network.chain.mine()
    let number = JSON.string(Quantity.encode(block.number))
    let answer = try await network.client.request("eth_getBlockByNumber", [number, false])
    let ofShanghai = ["withdrawals", "withdrawalsRoot"]
    let ofCancun = ["blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot"]
    #expect(ofShanghai.allSatisfy { (answer[$0] != nil) == (fork >= .shanghai) })
    #expect(ofCancun.allSatisfy { (answer[$0] != nil) == (fork >= .cancun) })
    let raw = try await network.client.request("debug_getRawBlock", [number])
    let bytes = try Hex.decode(raw.stringValue ?? "")
    #expect(answer["size"] == .string(Quantity.encode(UInt64(bytes.count))))
    guard case .list(let items) = try RLP.decode(bytes), case .list(let header)? = items.first
    else {
      Issue.record("a block is a list: \(raw)")
      return
    }
    #expect(items.count == (fork >= .shanghai ? 4 : 3))
    #expect(header.count == [.london: 16, .paris: 16, .shanghai: 17, .cancun: 20][fork])
    #expect(answer["hash"] == .string(block.hash.hex))
    network.chain.mine(300)
    #expect(try await network.client.request("eth_getBlockByNumber", [number, false]) == answer)
  }

  @Test("A sealed block has London's fields whatever the fork")
  func sealed() async throws {
    var configuration = ChainConfiguration()
    configuration.sealer = configuration.accounts[0].key
    let london = TestChain(configuration).chain.latestBlock.hash
    configuration.rules.hardfork = .cancun
    #expect(TestChain(configuration).chain.latestBlock.hash == london)
  }

  @Test("A block says the same when it is old: transactions, receipts, logs, sizes and seals")
  func sameAnswers() async throws {
    var configuration = ChainConfiguration()
    configuration.sealer = configuration.accounts[3].key
    let network = TestChain(configuration)
    let agent = network.account(0)
    let registry = PlumiseNetwork.Contract.agentRegistry
    let register = AgentRegistryCall.registerAgent(nodeID: Keccak256.hash("n"), metadata: "m")
    network.chain.setMining(.manual)
    // Three kinds of transactions, two with logs, one of them reverted, in one block.
    let fees: [Transaction.Fee] = [
      .legacy(gasPrice: 3_000_000_000),
      .accessList(
        gasPrice: 3_000_000_000, [AccessListEntry(address: registry, storageKeys: [.zero])]),
      .feeMarket(maxPriorityFeePerGas: 2_000_000_000, maxFeePerGas: 3_000_000_000, []),
    ]
    for (index, fee) in fees.enumerated() {
      try await network.client.send(
        network.transaction(
          from: agent, nonce: UInt64(index), fee: fee, to: registry, data: register.input))
      try await network.client.send(
        network.transaction(
          from: network.account(index + 1), fee: fee, to: registry, data: register.input))
    }
    let block = network.chain.mine()
    #expect(block.transactions.count == 6)
    #expect(block.receipts.map(\.succeeded).contains(false))
    let number = JSON.string(Quantity.encode(block.number))
    let questions: [(String, [JSON])] = [
      ("eth_getBlockByNumber", [number, true]), ("eth_getBlockReceipts", [number]),
      ("eth_getBlockByHash", [.string(block.hash.hex), false]),
      ("eth_getTransactionReceipt", [.string(block.transactions[4].hash.hex)]),
      ("eth_getTransactionByHash", [.string(block.transactions[5].hash.hex)]),
      ("eth_getRawTransactionByHash", [.string(block.transactions[3].hash.hex)]),
      ("eth_getLogs", [["fromBlock": "0x0", "toBlock": "0x12c"]]),
    ]
    var before: [JSON] = []
    for (method, parameters) in questions {
      before.append(try await network.client.request(method, parameters))
    }
    network.chain.mine(300)
    for (index, (method, parameters)) in questions.enumerated() {
      let after = try await network.client.request(method, parameters)
      #expect(after == before[index], "\(method)")
      #expect(!after.isNull)
    }
    // Its hash is not remembered: it is made anew from what was kept.
    #expect(network.chain.block(block.number)?.hash == block.hash)
    #expect(network.chain.transactions.map(\.sender) == block.transactions.map(\.sender))
  }

  @Test("A block with another coinbase, gas limit, time or base fee than its neighbours stays so")
  func unlikeNeighbours() async throws {
    let changes: [(String, [JSON])] = [
      ("anvil_setCoinbase", ["0x00000000000000000000000000000000000000aa"]),
      ("evm_setBlockGasLimit", ["0x1000000"]), ("evm_increaseTime", [100_000]),
      ("hardhat_setNextBlockBaseFeePerGas", ["0x5f5e100"]),
      ("anvil_setCoinbase", ["0x0000000000000000000000000000000000000000"]),
    ]
    for (method, parameters) in changes {
      _ = try await network.client.request(method, parameters)
      try await network.send(to: .zero, from: network.account(0), value: 1)
      network.chain.mine(2)
    }
    let last = network.chain.blockNumber
    func blocks() async throws -> [JSON] {
      var blocks: [JSON] = []
      for number in 0...last {
        blocks.append(try await ask("eth_getBlockByNumber", .string(Quantity.encode(number)), true))
      }
      return blocks
    }
    let before = try await blocks()
    #expect(Set(before.map { $0["miner"] }).count == 2)
    #expect(Set(before.map { $0["gasLimit"] }).count == 2)
    network.chain.mine(600)
    #expect(try await blocks() == before)
    for block in before {
      let hash = try #require(block["hash"])
      #expect(try await ask("eth_getBlockByHash", hash, true) == block)
    }
  }

  @Test("The block of a fork keeps the hash that it has at the remote chain, also when it is old")
  func beginningOfFork() async throws {
    var configuration = ChainConfiguration()
    configuration.rules.hardfork = .cancun
    let remote = TestChain(configuration)
    remote.chain.mine(2)
    try await remote.chain.withServer { address in
      var configuration = ChainConfiguration()
      try await configuration.fork(from: address.url, at: 2)
      let fork = TestChain(configuration)
      _ = try await fork.client.request("anvil_mine", [255])
      // BLOCKHASH of the fork's block, which is 255 blocks old.
      let hash = try await fork.client.request(
        "eth_call", [["data": "0x60024060005260206000f3"], "latest"])
      #expect(hash == .string(try #require(remote.chain.block(2)).hash.hex))
    }
  }

  @Test("Hashes of old blocks and transactions are found, unknown ones are not")
  func lookups() async throws {
    let receipt = try await network.send(to: .zero, from: network.account(0), value: 1)
    network.chain.mine(300)
    #expect(try await network.client.receipt(of: receipt.transactionHash) == receipt)
    let high = Word(1) << 128
    // It agrees with the block's hash in the 64 bits that an index of old ones may keep.
    let other = Hash32(word: receipt.blockHash.word - high)
    #expect(try await ask("eth_getBlockByHash", .string(other.hex), false) == .null)
    let twin = Hash32(word: receipt.transactionHash.word - high)
    #expect(try await ask("eth_getTransactionByHash", .string(twin.hex)) == .null)
  }
}

@Suite("Journals that are bounded by bytes", .timeLimit(.minutes(5)))
struct JournalWeightTests {
  @Test("The oldest entries go when all weigh too much; the latest one always stays")
  func limit() {
    let journal = Journal<Int>(capacity: 5, byteLimit: 10) { $0 }
    for weight in [4, 4, 2] { journal.record(weight) }
    #expect(journal.entries == [4, 4, 2])
    journal.record(3)
    #expect(journal.entries == [4, 2, 3])
    journal.record(.max)
    #expect(journal.entries == [.max])
    for _ in 0..<7 { journal.record(1) }
    #expect(journal.entries == [1, 1, 1, 1, 1])
    #expect(journal.count == 12)
  }

  @Test("A wait sees what is kept, and positions stay")
  func positions() async throws {
    let journal = Journal<Int>(capacity: 3, byteLimit: 100) { _ in 1 }
    for value in 0..<5 { journal.record(value) }
    #expect(try await journal.next() == 2)
    #expect(try await journal.next(after: 4) == 4)
    #expect(try await journal.wait(forCount: 3) == [2, 3, 4])
  }
}
