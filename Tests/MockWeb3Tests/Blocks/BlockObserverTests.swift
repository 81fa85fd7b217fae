import EthereumClient
import EthereumPrimitives
import MockServing
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

@Suite("Observers of blocks", .timeLimit(.minutes(5)))
struct BlockObserverTests {
  private struct Seen: Sendable {
    let block: Block
    let failures: [Int: String]
  }

  @Test("Each block is told once, in its order, with why its transactions failed")
  func blocks() async throws {
    let test = TestChain()
    test.chain.mine()
    let seen = Journal<Seen>()
    test.chain.observeBlocks { seen.record(Seen(block: $0, failures: $1)) }
    let account = test.account(0)
    _ = try await test.client.send(
      test.transaction(from: account, gas: 21_000, to: test.account(1).address, value: 1))
    test.chain.inject(.revert(reason: "told to"))
    _ = try await test.client.send(test.transaction(from: account))
    // The precompile refuses an input of a byte, without a fault.
    _ = try await test.client.send(test.transaction(from: account, data: [1]))
    test.chain.mine(2)
    let told = seen.entries
    #expect(told.map(\.block.number) == [2, 3, 4, 5, 6])
    #expect(told.map(\.block.hash) == (2...6).map { test.chain.block($0)?.hash })
    #expect(told[0].failures.isEmpty && told[3].failures.isEmpty)
    #expect(told[1].failures[0]?.contains("told to") == true)
    #expect(told[2].failures.keys.sorted() == [0])
    #expect(told[2].failures[0]?.isEmpty == false)
  }

  @Test("A block that takes another's place is told as a new one")
  func reorganisation() async throws {
    let test = TestChain()
    let seen = Journal<Seen>()
    test.chain.observeBlocks { seen.record(Seen(block: $0, failures: $1)) }
    test.chain.mine(2)
    #expect(test.chain.reorganise(depth: 1))
    #expect(seen.entries.map(\.block.number) == [1, 2, 2])
    #expect(seen.entries.last?.block.hash == test.chain.latestBlock.hash)
  }
}
