import EthereumClient
import EthereumPrimitives
import Foundation
import MockWeb3
import PlumiseWire
import SystemErrors
import TestSupport
import Testing

@Suite("Chains that are kept in files", .timeLimit(.minutes(5)))
struct PersistenceTests {
  private static let unixClock = UnixClock { .seconds(Int64(TestChain.time)) }

  /// A file of this test's own, gone afterwards.
  private func withFile(_ body: (URL) async throws -> Void) async throws {
    try await withTemporaryFolder { try await body($0.appending(path: "chain.jsonl")) }
  }

  private func open(
    _ url: URL, _ configuration: ChainConfiguration = ChainConfiguration()
  ) throws -> TestChain {
    TestChain(
      try MockWeb3(configuration, stateFile: url, unixClock: Self.unixClock))
  }

  /// What a chain goes on from that starts with the file as it is now: a copy, since the file itself
  /// belongs to the chain that runs.
  private func reopen<R>(_ url: URL, _ body: (TestChain) async throws -> R) async throws -> R {
    let copy = url.appendingPathExtension("\(UInt64.random(in: 0 ... .max))")
    try FileManager.default.copyItem(at: url, to: copy)
    let result = Result { try open(copy) }
    defer {
      // A chain that could not start may have left nothing.
      try? FileManager.default.removeItem(at: copy)
    }
    return try await body(result.get())
  }

  /// What a chain does that lets go of its file afterwards.
  @discardableResult
  private func writing<R>(_ url: URL, _ body: (TestChain) async throws -> R) async throws -> R {
    let network = try open(url)
    return try await body(network)
  }

  /// A life with everything that a file has to keep.
  private func live(on network: TestChain) async throws {
    let chain = network.chain
    let agent = network.account(0)
    try await network.registerActive(agent)
    chain.inject(.revert(reason: "forced"))
    try await network.send(.heartbeat(agent: nil), from: agent)
    chain.increaseTime(by: 500)
    chain.fund(.precompile(0xaa), 5)
    _ = try await network.client.request(
      "evm_setNonce", [.string(network.account(3).address.lowercaseHex), "0x7"])
    chain.mine(2)
    let snapshot = chain.snapshot()
    chain.mine(3)
    chain.setBalance(of: agent.address, to: 1)
    chain.revert(to: snapshot)
    try await network.send(to: .zero, from: network.account(1), value: 9)
    #expect(chain.reorganise(depth: 1))
    chain.setMining(.manual)
    try await network.client.send(network.transaction(from: network.account(2), nonce: 1))
  }

  /// What two chains have in common when one is the other's continuation.
  private func summary(_ network: TestChain) -> [String] {
    let chain = network.chain
    let blocks = (0...chain.blockNumber).compactMap { chain.block($0)?.hash.hex }
    let accounts = chain.accounts.map {
      "\(chain.balance(of: $0.address)) \(chain.nonce(of: $0.address))"
    }
    let agent = chain.agent(network.account(0).address).map { "\($0)" } ?? "none"
    return blocks + accounts + [
      agent, "\(chain.balance(of: .precompile(0xaa)))", "\(chain.waitingTransactionCount)",
    ]
  }

  @Test("A chain goes on from its file: blocks, state, waiting transactions and clock")
  func restart() async throws {
    try await withFile { url in
      let first = try open(url)
      try await live(on: first)
      try await reopen(url) { second in
        #expect(summary(second) == summary(first))
        let (next, other) = (first.chain.mine(), second.chain.mine())
        #expect(next.hash == other.hash)
      }
    }
  }

  @Test("A line that was being written when the program died is left out")
  func tornLine() async throws {
    try await withFile { url in
      let height = try await writing(url) { first in
        try await first.registerActive(first.account(0))
        return first.chain.blockNumber
      }
      let whole = try Data(contentsOf: url)
      let last = try #require(whole.split(separator: 0x0a).last)
      for length in [1, last.count / 2, last.count] {
        let torn = whole.dropLast(last.count + 1) + last.prefix(length)
        try torn.write(to: url)
        #expect(try open(url).chain.blockNumber == height - 1)
      }
    }
  }

  @Test("A file of another chain, or one that was changed, is refused")
  func refusals() async throws {
    try await withFile { url in
      try await writing(url) { first in
        try await first.send(to: .zero, from: first.account(0), value: 1)
      }
      #expect {
        try open(url, ChainConfiguration(accounts: Array(DevelopmentAccount.standard.prefix(2))))
      } throws: { error in
        (error as? FileError)?.code == .mismatched
          && "\(error)".hasPrefix("the state file is of a chain that began with block ")
      }
      let text = try String(contentsOf: url, encoding: .utf8)
      try text.replacing("\"0x6", with: "\"0x7").write(to: url, atomically: true, encoding: .utf8)
      #expect(throws: FileError.self) { try open(url) }
      try Data("hello\n".utf8).write(to: url)
      #expect(throws: FileError.notAStateFile.ofFile(url.path)) { try open(url) }
    }
  }

  @Test("A file of a chain with another id, profile or sealer is refused by what differs")
  func otherNetworks() async throws {
    var sealed = ChainConfiguration()
    sealed.sealer = sealed.accounts.first?.key
    let sealer = try #require(sealed.sealer).address.checksummed
    let others = [
      (ChainConfiguration(chainID: 1), "chain id", "1", "41956"),
      (ChainConfiguration(profile: .testnet2026), "profile", "testnet2026", "default"),
      (sealed, "sealer", sealer, "none"),
    ]
    for (other, name, expected, actual) in others {
      try await withFile { url in
        try await writing(url) { _ in }
        let error = #expect(throws: FileError.self) { try open(url, other) }
        #expect(
          error
            == .networkMismatch(name, expected: expected, actual: actual).ofFile(url.path))
        #expect(error?.description.contains("\(name) is \(actual), not \(expected)") == true)
      }
    }
  }

  @Test("A time that was set for the next block is kept")
  func nextTimestamp() async throws {
    try await withFile { url in
      let first = try open(url)
      let time = TestChain.time + 5000
      _ = try await first.client.request("evm_setNextBlockTimestamp", [.integer(Int(time))])
      let dump = try await first.client.request("anvil_dumpState")
      try await reopen(url) { second in
        #expect(second.chain.mine().header.timestamp == time)
      }
      // It is used up, and the clock goes on from it.
      first.chain.mine()
      try await reopen(url) { third in
        #expect(third.chain.mine().header.timestamp == time + 1)
      }
      let other = TestChain()
      _ = try await other.client.request("anvil_loadState", [dump])
      #expect(other.chain.mine().header.timestamp == time)
    }
  }

  @Test("A transaction that was let go for want of coins does not come back")
  func unfunded() async throws {
    try await withFile { url in
      let first = try open(url)
      first.chain.setMining(.manual)
      let sender = first.account(0)
      try await first.client.send(first.transaction(from: sender, to: .zero, value: 5))
      first.chain.setBalance(of: sender.address, to: 1)
      first.chain.mine()
      #expect(first.chain.waitingTransactionCount == 0)
      first.chain.fund(sender.address)
      try await reopen(url) { second in
        #expect(second.chain.waitingTransactionCount == 0)
        #expect(second.chain.mine().transactions.isEmpty)
      }
    }
  }

  @Test("A place that holds no file is refused by its path and in the system's words")
  func unwritable() async throws {
    let missing = URL(filePath: "/nonexistent/chain.jsonl")
    #expect(
      throws: FileError.unusable(
        path: missing.path, purpose: .chainState, reason: "No such file or directory")
    ) {
      try open(missing)
    }
    let folder = FileManager.default.temporaryDirectory
    #expect(
      throws: FileError.unusable(
        path: folder.path, purpose: .chainState, reason: "Is a directory")
    ) { try open(folder) }
  }

  @Test("A chain is written to a file and read by another one")
  func dumpToFile() async throws {
    try await withFile { url in
      let first = TestChain()
      try await live(on: first)
      try first.chain.dump(to: url)
      let second = TestChain()
      second.chain.mine(7)
      try second.chain.load(from: url)
      #expect(summary(second) == summary(first))
      #expect(first.chain.mine().hash == second.chain.mine().hash)
      try Data().write(to: url)
      #expect(throws: FileError.notAStateFile.ofFile(url.path)) {
        try second.chain.load(from: url)
      }
      try FileManager.default.removeItem(at: url)
      #expect(throws: FileError.self) { try second.chain.load(from: url) }
    }
    let nowhere = URL(filePath: "/nonexistent/chain.jsonl")
    #expect(throws: FileError.self) { try TestChain().chain.dump(to: nowhere) }
  }

  @Test("A dump is loaded by another chain of the same beginning")
  func dump() async throws {
    let first = TestChain()
    try await live(on: first)
    let dump = try await first.client.request("anvil_dumpState")
    let second = TestChain()
    #expect(try await second.client.request("anvil_loadState", [dump]) == true)
    #expect(summary(second) == summary(first))
    #expect(
      try await second.failure("anvil_loadState", "0x00")
        == .refused("\(FileError.notAStateFile)"))
  }
}
