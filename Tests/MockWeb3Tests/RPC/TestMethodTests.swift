import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

@Suite("Helpers of development chains", .timeLimit(.minutes(5)))
struct TestMethodTests {
  let network = TestChain()
  var sender: DevelopmentAccount { network.account(0) }

  private func ask(_ method: String, _ parameters: JSON...) async throws -> JSON {
    try await network.client.request(method, parameters)
  }

  @Test("Each helper answers under all three names", arguments: ["evm", "anvil", "hardhat"])
  func names(prefix: String) async throws {
    _ = try await ask("\(prefix)_mine")
    #expect(network.chain.blockNumber == 1)
  }

  @Test("A block's time is the clock's, and always above its parent's")
  func timestamps() async throws {
    let genesis = network.chain.latestBlock.header.timestamp
    #expect(genesis == TestChain.time)
    for step in 1...3 as ClosedRange<UInt64> {
      #expect(network.chain.mine().header.timestamp == TestChain.time + step)
    }
  }

  @Test("Moved time makes the next block at least so much later")
  func increaseTime() async throws {
    network.chain.mine(10)
    _ = try await ask("evm_increaseTime", 100)
    #expect(network.chain.mine().header.timestamp == TestChain.time + 110)
    _ = try await ask("evm_increaseTime", "0x64")
    #expect(network.chain.mine().header.timestamp == TestChain.time + 210)
  }

  @Test("The next block's time can be set, but not into the past")
  func nextTimestamp() async throws {
    let time = Int64(TestChain.time)
    _ = try await ask("evm_setNextBlockTimestamp", .integer(time + 500))
    #expect(network.chain.mine().header.timestamp == TestChain.time + 500)
    #expect(try await network.failure("evm_setNextBlockTimestamp", .integer(time))?.code == -32000)
    _ = try await ask("evm_mine", .integer(time + 900))
    #expect(network.chain.latestBlock.header.timestamp == TestChain.time + 900)
  }

  @Test("evm_mine takes a block's time, and none that is past")
  func mineInThePast() async throws {
    network.chain.mine(3)
    let latest = network.chain.latestBlock.header.timestamp
    for past in [1, latest - 1, latest] {
      for parameter in [JSON.integer(past), ["timestamp": .integer(past)]] {
        #expect(
          try await network.failure("evm_mine", parameter)
            == .refused("Timestamp \(past) is lower than previous block's timestamp \(latest)"))
      }
    }
    #expect(
      try await network.failure("evm_mine", ["block": 5])
        == .invalidArgument(0, "MineOptions has blocks and timestamp, and no block"))
    #expect(network.chain.blockNumber == 3)
    _ = try await ask("evm_mine", 0)
    #expect(network.chain.latestBlock.header.timestamp == latest + 1)
    _ = try await ask("evm_mine", ["timestamp": .integer(latest + 50), "blocks": 2])
    #expect(network.chain.blockNumber == 6)
    #expect(network.chain.latestBlock.header.timestamp == latest + 51)
    #expect(
      try await network.failure("evm_setNextBlockTimestamp", .integer(latest + 51))
        == .refused("Timestamp \(latest + 51) is equal to the previous block's timestamp"))
    #expect(
      try await network.failure("evm_setNextBlockTimestamp", .integer(latest))
        == .refused(
          "Timestamp \(latest) is lower than the previous block's timestamp \(latest + 51)"))
  }

  @Test("The chain's time is set, in seconds or milliseconds")
  func setTime() async throws {
    let time = TestChain.time + 5000
    #expect(try await ask("evm_setTime", .integer(time)) == 5000)
    #expect(network.chain.mine().header.timestamp == time)
    #expect(try await ask("anvil_setTime", .integer((time + 100) * 1000)) == 100)
    #expect(network.chain.mine().header.timestamp == time + 100)
    // A time that is past sets the clock, and blocks stay above their parents.
    #expect(try await ask("evm_setTime", "0x1") == 0)
    #expect(network.chain.mine().header.timestamp == time + 101)
  }

  @Test("Whether blocks are automatic is told as it was set")
  func getAutomine() async throws {
    for isAutomatic in [true, false, true] {
      _ = try await ask("evm_setAutomine", .bool(isAutomatic))
      #expect(try await ask("hardhat_getAutomine") == .bool(isAutomatic))
      #expect(try await ask("anvil_getAutomine") == .bool(isAutomatic))
    }
  }

  @Test("The next block's base fee is set, and the fees after it follow from it")
  func setBaseFee() async throws {
    for name in ["anvil", "hardhat"] {
      _ = try await ask("\(name)_setNextBlockBaseFeePerGas", "0x3b9aca01")
      let pending = try await ask("eth_getBlockByNumber", "pending", false)
      #expect(pending["baseFeePerGas"] == "0x3b9aca01")
      #expect(network.chain.mine().header.baseFeePerGas == 1_000_000_001)
      #expect(network.chain.mine().header.baseFeePerGas == 875_000_001)
    }
    _ = try await ask("anvil_setNextBlockBaseFeePerGas", 9_000_000_000)
    try await network.client.send(network.transaction(from: sender, to: .zero))
    #expect(network.chain.waitingTransactionCount == 1)
    let call: JSON = [
      "from": .string(network.account(1).address.lowercaseHex),
      "to": .string(Address.zero.lowercaseHex),
    ]
    _ = try await ask("eth_sendTransaction", call)
    #expect(network.chain.latestBlock.transactions.map(\.sender) == [network.account(1).address])
    #expect(network.chain.latestBlock.header.baseFeePerGas == 9_000_000_000)
  }

  @Test(
    "Numbers come as JSON numbers, decimal text, and hexadecimal text with zeros in front or without",
    arguments: [
      7, "7", "0x7", "0x07", "0X7", "0x0000000000000007", .number(JSONNumber(python: 7)),
      .string("0x" + String(repeating: "0", count: 90) + "7"),
    ] as [JSON])
  func spellings(seven: JSON) async throws {
    let address = JSON.string(sender.address.lowercaseHex)
    for prefix in ["evm", "anvil", "hardhat"] {
      let network = TestChain()
      func ask(_ method: String, _ parameters: JSON...) async throws -> JSON {
        try await network.client.request("\(prefix)_\(method)", parameters)
      }
      _ = try await ask("setBalance", address, seven)
      #expect(network.chain.balance(of: sender.address) == 7)
      _ = try await ask("setNonce", address, seven)
      #expect(network.chain.nonce(of: sender.address) == 7)
      _ = try await ask("setNextBlockBaseFeePerGas", seven)
      _ = try await ask("increaseTime", seven)
      let block = network.chain.mine()
      #expect(block.header.baseFeePerGas == 7)
      #expect(block.header.timestamp == TestChain.time + 7)
      #expect(try await ask("revert", seven) == false)
      for _ in 0..<7 { _ = try await ask("snapshot") }
      #expect(try await ask("revert", seven) == true)
      if prefix != "evm" {
        _ = try await ask("mine", seven, seven)
        #expect(network.chain.blockNumber == 8)
        _ = try await ask("reorg", seven)
        #expect(network.chain.blockNumber == 8)
      }
    }
  }

  @Test(
    "A block time is in seconds, under Hardhat's name in milliseconds",
    arguments: [("evm", 7000), ("anvil", 7000), ("hardhat", 7)])
  func blockTime(prefix: String, milliseconds: Int) async throws {
    let clock = ManualClock()
    let chain = MockWeb3(clock: clock)
    let network = TestChain(chain)
    _ = try await network.client.request("\(prefix)_setIntervalMining", ["0x07"])
    try await chain.withBlockProduction {
      try await clock.waitForSleeper(until: .milliseconds(milliseconds))
      #expect(clock.deadlines.map(\.offset) == [.milliseconds(milliseconds)])
    }
  }

  @Test("Many blocks are made at once, some seconds apart")
  func mine() async throws {
    _ = try await ask("hardhat_mine", "0x5", "0x3c")
    #expect(network.chain.blockNumber == 5)
    #expect(network.chain.latestBlock.header.timestamp == TestChain.time + 1 + 4 * 60)
  }

  @Test("Balances and nonces are set, and transactions dropped")
  func setState() async throws {
    let address = JSON.string(sender.address.lowercaseHex)
    _ = try await ask("anvil_setBalance", address, "0x7")
    #expect(try await network.client.balance(of: sender.address) == 7)
    _ = try await ask("hardhat_setNonce", address, "0x5")
    #expect(try await network.client.transactionCount(of: sender.address) == 5)
    network.chain.fund(sender.address)
    network.chain.setMining(.manual)
    let waiting = network.transaction(from: sender)
    try await network.client.send(waiting)
    let hash = JSON.string(waiting.hash.hex)
    #expect(try await ask("anvil_dropTransaction", hash) == hash)
    #expect(network.chain.waitingTransactionCount == 0)
  }

  @Test("Without automatic mining transactions wait; evm_setAutomine brings it back")
  func automine() async throws {
    _ = try await ask("evm_setAutomine", false)
    for nonce in 0...2 as ClosedRange<UInt64> {
      try await network.client.send(network.transaction(from: sender, nonce: nonce))
    }
    #expect(network.chain.blockNumber == 0)
    #expect(try await network.client.transactionCount(of: sender.address, at: .pending) == 3)
    #expect(try await ask("txpool_status") == ["pending": "0x3", "queued": "0x0"])
    _ = try await ask("evm_mine")
    #expect(network.chain.latestBlock.transactions.count == 3)
  }

  @Test("Higher tips are mined first, and equal ones in the order in which they came")
  func order() async throws {
    network.chain.setMining(.manual)
    let tips: [(account: Int, gwei: Word)] = [(1, 2), (2, 5), (3, 5), (4, 1)]
    for (account, gwei) in tips {
      try await network.client.send(
        network.transaction(
          from: network.account(account),
          fee: .feeMarket(
            maxPriorityFeePerGas: gwei * 1_000_000_000, maxFeePerGas: 100_000_000_000, [])))
    }
    let senders = network.chain.mine().transactions.map(\.sender)
    #expect(senders == [2, 3, 1, 4].map { network.account($0).address })
  }

  @Test("What does not pay the base fee waits")
  func baseFee() async throws {
    let cheap = network.transaction(from: sender, fee: .legacy(gasPrice: 800_000_000))
    try await network.client.send(cheap)
    #expect(network.chain.blockNumber == 0)
    network.chain.mine()
    // 1 gwei less an eighth, twice, is below 0.8 gwei.
    #expect(network.chain.mine().transactions.map(\.hash) == [cheap.hash])
  }

  @Test("A block that is full leaves the rest for the next one")
  func fullBlock() async throws {
    var configuration = ChainConfiguration()
    configuration.rules.blockGasLimit = 50_000
    configuration.mining = .manual
    let network = TestChain(configuration)
    for index in 0..<3 {
      // 21 000 of its gas are used; the 29 000 that are left are too few for the next one.
      try await network.client.send(
        network.transaction(from: network.account(index), gas: 30_000, to: .zero))
    }
    #expect((0..<3).map { _ in network.chain.mine().transactions.count } == [1, 1, 1])
  }

  @Test("A chain is reset to its first block")
  func reset() async throws {
    try await network.send(to: .zero, from: sender, value: 1)
    _ = try await ask("hardhat_reset")
    #expect(network.chain.blockNumber == 0)
    #expect(network.chain.balance(of: sender.address) == DevelopmentAccount.defaultBalance)
  }

  @Test("eth_sendTransaction signs with the chain's own accounts, and with no others")
  func unlockedAccounts() async throws {
    let call: JSON = [
      "from": .string(sender.address.lowercaseHex),
      "to": "0x0000000000000000000000000000000000000005", "value": "0x9",
    ]
    let hash = try Hash32(try await ask("eth_sendTransaction", call).stringValue ?? "")
    #expect(network.chain.receipt(of: hash)?.succeeded == true)
    #expect(network.chain.balance(of: .precompile(5)) == 9)
    let stranger: JSON = [
      "from": "0x0000000000000000000000000000000000000006",
      "to": "0x0000000000000000000000000000000000000005",
    ]
    #expect(
      try await network.failure("eth_sendTransaction", stranger) == .refused("unknown account"))
  }
}

@Suite("Snapshots and reorganisations", .timeLimit(.minutes(5)))
struct SnapshotTests {
  let network = TestChain()
  var sender: DevelopmentAccount { network.account(0) }

  @Test("A snapshot brings back state, blocks, pool, clock and filters, and can be used again")
  func snapshot() async throws {
    let client = network.client
    try await network.registerActive(sender)
    let filter = try await client.request("eth_newBlockFilter")
    network.chain.setMining(.manual)
    let waiting = network.transaction(from: sender)
    try await client.send(waiting)
    let before = network.chain.latestBlock
    let root = before.header.stateRoot
    let id = network.chain.snapshot()
    for _ in 0..<2 {
      network.chain.increaseTime(by: 5000)
      network.chain.mine(3)
      network.chain.setBalance(of: sender.address, to: 1)
      network.chain.setMining(.automatic)
      _ = try await client.request("eth_uninstallFilter", [filter])
      #expect(network.chain.revert(to: id))
      #expect(network.chain.latestBlock.hash == before.hash)
      #expect(network.chain.waitingTransactionCount == 1)
      #expect(try await client.receipt(of: waiting.hash) == nil)
      #expect(try await client.request("eth_getFilterChanges", [filter]) == [])
      #expect(network.chain.balance(of: sender.address) > 1)
    }
    let next = network.chain.mine()
    #expect(next.header.timestamp == before.header.timestamp + 1)
    #expect(next.header.stateRoot != root)
    #expect(next.transactions.map(\.hash) == [waiting.hash])
  }

  @Test("Snapshots nest: going back to an outer one drops the inner ones")
  func nesting() {
    let outer = network.chain.snapshot()
    network.chain.mine()
    let inner = network.chain.snapshot()
    network.chain.mine()
    #expect(network.chain.revert(to: inner))
    #expect(network.chain.blockNumber == 1)
    #expect(network.chain.revert(to: outer))
    #expect(network.chain.blockNumber == 0)
    #expect(!network.chain.revert(to: inner))
    #expect(!network.chain.revert(to: 99))
  }

  @Test("A reorganisation makes other blocks, and the transactions wait again")
  func reorganisation() async throws {
    let receipt = try await network.send(to: .zero, from: sender, value: 5)
    network.chain.mine()
    let old = network.chain.latestBlock
    #expect(network.chain.reorganise(depth: 2))
    #expect(network.chain.blockNumber == 2)
    #expect(network.chain.latestBlock.hash != old.hash)
    #expect(network.chain.block(1)?.hash != receipt.blockHash)
    #expect(try await network.client.receipt(of: receipt.transactionHash) == nil)
    #expect(network.chain.balance(of: sender.address) == DevelopmentAccount.defaultBalance)
    #expect(network.chain.mine().transactions.map(\.hash) == [receipt.transactionHash])
    #expect(!network.chain.reorganise(depth: 9))
  }
}
