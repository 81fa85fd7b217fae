import EthereumClient
import EthereumPrimitives
import Foundation
import MockServing
import MockWeb3
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

@Suite("Reorganisations and what tests gave", .timeLimit(.minutes(5)))
struct ReorganisationTests {
  let network = TestChain()
  var chain: MockWeb3 { network.chain }

  @Test("Coins that a test gave stay when the blocks after are undone")
  func coinsStay() async throws {
    try await network.send(to: .zero, from: network.account(0), value: 1)
    let newcomer = chain.makeAccount(balance: 1_000_000_000_000_000_000)
    chain.setBalance(of: .precompile(0xaa), to: 7)
    let receipt = try await network.send(to: .precompile(0xbb), from: newcomer, value: 5)
    #expect(chain.reorganise(depth: 2))
    #expect(chain.balance(of: newcomer.address) == 1_000_000_000_000_000_000)
    #expect(chain.balance(of: .precompile(0xaa)) == 7)
    #expect(chain.balance(of: .precompile(0xbb)) == .zero)
    // Both transactions wait, and go through again.
    #expect(chain.waitingTransactionCount == 2)
    let mined = chain.mine()
    #expect(mined.transactions.map(\.hash).contains(receipt.transactionHash))
    #expect(chain.balance(of: .precompile(0xbb)) == 5)
  }

  @Test("A nonce that a test set stays, and what it makes stale is dropped")
  func nonceStays() async throws {
    let sender = network.account(0)
    try await network.send(to: .zero, from: sender)
    _ = try await network.client.request(
      "anvil_setNonce", [.string(sender.address.lowercaseHex), "0x5"])
    #expect(chain.reorganise(depth: 1))
    #expect(chain.nonce(of: sender.address) == 5)
    #expect(chain.waitingTransactionCount == 0)
  }

  @Test("Moved time stays moved")
  func timeStays() {
    chain.mine(2)
    chain.increaseTime(by: 5000)
    #expect(chain.reorganise(depth: 1))
    #expect(chain.mine().header.timestamp >= TestChain.time + 5000)
  }

  @Test("As a fault: the transaction is mined, undone, and waits for the next block")
  func fault() async throws {
    chain.mine(3)
    chain.inject(
      ChainFaultRule(.reorganise(depth: 2), sender: network.account(1).address))
    try await network.send(to: .zero, from: network.account(0))
    let height = chain.blockNumber
    let undone = network.transaction(from: network.account(1), to: .zero)
    try await network.client.send(undone)
    #expect(chain.blockNumber == height + 1)
    #expect(try await network.client.receipt(of: undone.hash) == nil)
    #expect(chain.waitingTransactionCount == 2)
    #expect(chain.mine().transactions.count == 2)
    #expect(try await network.client.receipt(of: undone.hash)?.succeeded == true)
  }

  @Test("Going back to a snapshot goes back in time")
  func snapshotTime() throws {
    let clock = ManualClock()
    let time = Int64(TestChain.time)
    let chain = MockWeb3(
      unixClock: UnixClock { .seconds(time) + clock.now.offset })
    let id = chain.snapshot()
    clock.advance(by: .seconds(1000))
    #expect(chain.mine().header.timestamp == TestChain.time + 1000)
    #expect(chain.revert(to: id))
    #expect(chain.mine().header.timestamp == TestChain.time + 1)
    clock.advance(by: .seconds(60))
    #expect(chain.mine().header.timestamp == TestChain.time + 60)
    chain.increaseTime(by: 100)
    #expect(chain.mine().header.timestamp == TestChain.time + 160)
  }
}

@Suite("Faults at the door of the chain", .timeLimit(.minutes(5)))
struct DoorFaultTests {
  let network = TestChain()
  var chain: MockWeb3 { network.chain }

  @Test("Blocks that were due are not made, so many times")
  func stall() async throws {
    chain.inject(ChainFaultRule(.stall, count: 2))
    for nonce in 0..<2 as Range<UInt64> {
      try await network.client.send(
        network.transaction(from: network.account(0), nonce: nonce, to: .zero))
    }
    #expect(chain.blockNumber == 0)
    try await network.client.send(
      network.transaction(from: network.account(0), nonce: 2, to: .zero))
    #expect(chain.blockNumber == 1)
    #expect(chain.latestBlock.transactions.count == 3)
  }

  @Test("A connection is reset for one method, before the chain sees the request or after")
  func reset() async throws {
    try await chain.withServer { address in
      let client = EthereumClient(url: address.url)
      for (isAfter, height) in [(false, 0), (true, 1)] as [(Bool, UInt64)] {
        let rule: JSON = [
          "fault": "reset", "afterHandling": .bool(isAfter), "method": "evm_mine", "count": 1,
        ]
        _ = try await client.request("plumise_setFaults", [[rule]])
        #expect(try await client.chainID() == 41956)
        await #expect {
          try await client.request("evm_mine")
        } throws: { error in
          (error as? ChainError)?.code == .connectionLost
        }
        #expect(chain.blockNumber == height)
      }
    }
  }

  @Test("In process a reset takes the answer away")
  func resetInProcess() async throws {
    chain.inject(ChainFaultRule(.reset(afterHandling: true), method: "evm_mine"))
    await #expect(throws: ChainError.self) {
      try await network.client.request("evm_mine")
    }
    #expect(chain.blockNumber == 1)
    _ = try await network.client.request("evm_mine")
    #expect(chain.blockNumber == 2)
  }

  @Test("Faults with a probability repeat with their seed, and are about as many as it says")
  func probability() async throws {
    func refusals(seed: UInt64) async throws -> [Bool] {
      let network = TestChain()
      let rule: JSON = [
        "fault": "error", "code": -32000, "message": "busy", "method": "eth_chainId",
        "count": 0, "probability": .number(JSONNumber(python: 0.25)),
      ]
      _ = try await network.client.request("plumise_setFaults", [[rule], .integer(seed)])
      var refused: [Bool] = []
      for _ in 0..<200 { refused.append(try await network.failure("eth_chainId") != nil) }
      return refused
    }
    let first = try await refusals(seed: 7)
    #expect(try await refusals(seed: 7) == first)
    #expect(try await refusals(seed: 8) != first)
    #expect((25...75).contains(first.count { $0 }))
    let wrong: JSON = ["fault": "drop", "probability": .number(JSONNumber(python: 1.5))]
    #expect(try await network.failure("plumise_setFaults", [wrong])?.code == -32602)
  }
}

@Suite("What a chain holds for its clients is bounded", .timeLimit(.minutes(5)))
struct BoundTests {
  @Test("Of too many filters the one that was not asked for the longest time goes")
  func filters() async throws {
    let network = TestChain()
    let first = try await network.client.request("eth_newBlockFilter")
    let second = try await network.client.request("eth_newBlockFilter")
    for _ in 0..<998 { _ = try await network.client.request("eth_newBlockFilter") }
    #expect(try await network.client.request("eth_getFilterChanges", [first]) == [])
    _ = try await network.client.request("eth_newBlockFilter")
    let gone = try await network.failure("eth_getFilterChanges", second)
    #expect(gone?.message == "filter not found")
    #expect(try await network.failure("eth_getFilterChanges", first) == nil)
  }

  @Test("A pool that is full says so, and takes replacements all the same")
  func pool() async throws {
    var configuration = ChainConfiguration()
    configuration.mining = .manual
    configuration.poolRules.capacity = 2
    let network = TestChain(configuration)
    let sender = network.account(0)
    for nonce in 0..<2 as Range<UInt64> {
      try await network.client.send(network.transaction(from: sender, nonce: nonce))
    }
    let third = network.transaction(from: sender, nonce: 2)
    let raw = JSON.string(Hex.encode(third.raw))
    #expect(try await network.failure("eth_sendRawTransaction", raw)?.message == "txpool is full")
    try await network.client.send(
      network.transaction(from: sender, nonce: 1, fee: .legacy(gasPrice: 3_000_000_000)))
    #expect(network.chain.waitingTransactionCount == 2)
    let content = try await network.client.request(
      "txpool_contentFrom", [.string(sender.address.lowercaseHex)])
    #expect(content["pending"]?.objectValue?.keys.sorted() == ["0", "1"])
  }
}
