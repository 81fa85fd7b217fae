import EthereumClient
import EthereumPrimitives
import Foundation
import MockWeb3
import PlumiseWire
import SystemErrors
import TestSupport
import Testing

/// A chain with a file in a folder of its own.
struct KeptChain {
  let file: URL
  let network: TestChain
  var chain: MockWeb3 { network.chain }

  private static let unixClock = UnixClock { .seconds(Int64(TestChain.time)) }

  init(_ file: URL, _ configuration: ChainConfiguration = ChainConfiguration()) throws {
    self.file = file
    network = TestChain(
      try MockWeb3(configuration, stateFile: file, unixClock: Self.unixClock))
  }

  func bytes() throws -> [UInt8] { Array(try Data(contentsOf: file)) }

  /// Everything that a file keeps.
  static func summary(_ chain: MockWeb3) -> [String] {
    let blocks = (0...chain.blockNumber).compactMap { chain.block($0)?.hash.hex }
    let accounts = chain.accounts.map {
      "\(chain.balance(of: $0.address)) \(chain.nonce(of: $0.address))"
    }
    return blocks + accounts + ["waiting \(chain.waitingTransactionCount)"]
  }

  var summary: [String] { Self.summary(chain) }

  /// The chain that the file tells of at this moment.
  func told() throws -> MockWeb3 {
    let other = MockWeb3(unixClock: Self.unixClock)
    try other.load(from: file)
    return other
  }

  /// Whether the file tells of the chain as it is, and as it will be after the next block.
  func isTold() throws -> Bool {
    let other = try told()
    guard Self.summary(other) == summary else { return false }
    let snapshot = chain.snapshot()
    defer { chain.revert(to: snapshot) }
    return other.mine().hash == chain.mine().hash
  }

  func send(_ account: Int, value: Word = 1) async throws {
    let sender = network.account(account)
    let pending = try await network.client.transactionCount(of: sender.address, at: .pending)
    try await network.client.send(
      network.transaction(from: sender, nonce: pending, to: .precompile(0xaa), value: value))
  }
}

@Suite("State files are appended to", .timeLimit(.minutes(5)))
struct StateLogTests {
  @Test("Going back to a snapshot adds a line, and leaves what was written as it is")
  func revertAppends() async throws {
    try await withTemporaryFolder { folder in
      let kept = try KeptChain(folder.appending(path: "chain"))
      kept.chain.mine(2000)
      let snapshot = kept.chain.snapshot()
      kept.chain.mine(3)
      let before = try kept.bytes()
      #expect(kept.chain.revert(to: snapshot))
      let after = try kept.bytes()
      #expect(after.starts(with: before))
      #expect((1...500).contains(after.count - before.count))
      #expect(try kept.isTold())
    }
  }

  @Test("A reorganisation adds a line, and leaves what was written as it is")
  func reorganisationAppends() async throws {
    try await withTemporaryFolder { folder in
      let kept = try KeptChain(folder.appending(path: "chain"))
      kept.chain.mine(500)
      try await kept.send(0)
      kept.chain.mine()
      let before = try kept.bytes()
      #expect(kept.chain.reorganise(depth: 3))
      let after = try kept.bytes()
      #expect(after.starts(with: before))
      #expect(after.dropFirst(before.count).filter { $0 == 0x0a }.count == 1)
      #expect(kept.chain.waitingTransactionCount == 1)
      #expect(try kept.isTold())
    }
  }

  @Test("A snapshot from before a reorganisation is gone back to, and undone again")
  func branches() async throws {
    try await withTemporaryFolder { folder in
      let kept = try KeptChain(folder.appending(path: "chain"))
      kept.chain.mine(5)
      try await kept.send(1)
      let before = kept.summary
      let snapshot = kept.chain.snapshot()
      #expect(kept.chain.reorganise(depth: 4))
      try await kept.send(2)
      #expect(try kept.isTold())
      #expect(kept.chain.revert(to: snapshot))
      #expect(kept.summary == before)
      #expect(try kept.isTold())
      #expect(kept.chain.reorganise(depth: 2))
      kept.chain.fund(.precompile(0xbb), 7)
      #expect(try kept.isTold())
      #expect(kept.chain.revert(to: snapshot))
      #expect(KeptChain.summary(try kept.told()) == before)
    }
  }

  @Test("What waited before a reorganisation and was dropped since does not come back")
  func dropped() async throws {
    try await withTemporaryFolder { folder in
      let kept = try KeptChain(folder.appending(path: "chain"))
      kept.chain.mine(2)
      kept.chain.setMining(.manual)
      try await kept.send(0)
      kept.chain.mine(2)
      try await kept.send(1)
      let content = try await kept.network.client.request("txpool_content")
      let entries = content["pending"]?.objectValue?.members.first?.value.objectValue
      let hash = try #require(entries?.members.first?.value["hash"])
      _ = try await kept.network.client.request("anvil_dropTransaction", [hash])
      #expect(kept.chain.reorganise(depth: 3))
      #expect(kept.chain.waitingTransactionCount == 1)
      #expect(try kept.isTold())
    }
  }

  @Test("A reset and a state that is loaded begin the file anew")
  func restarts() async throws {
    try await withTemporaryFolder { folder in
      let kept = try KeptChain(folder.appending(path: "chain"))
      kept.chain.mine(3)
      let dump = try await kept.network.client.request("anvil_dumpState")
      kept.chain.mine(100)
      let long = try kept.bytes().count
      _ = try await kept.network.client.request("anvil_reset")
      #expect(kept.chain.blockNumber == 0 && long > 5000)
      #expect(try kept.bytes().count < 1000)
      #expect(try kept.isTold())
      kept.chain.mine(2)
      _ = try await kept.network.client.request("anvil_loadState", [dump])
      #expect(kept.chain.blockNumber == 3)
      #expect(try kept.isTold())
      let snapshot = kept.chain.snapshot()
      kept.chain.mine(4)
      #expect(kept.chain.revert(to: snapshot))
      #expect(kept.chain.reorganise(depth: 2))
      #expect(try kept.isTold())
    }
  }

  @Test("A start writes the file anew, without what was taken back")
  func compaction() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "chain")
      func life() throws -> (summary: [String], size: Int) {
        let kept = try KeptChain(file)
        kept.chain.mine(5)
        let snapshot = kept.chain.snapshot()
        for _ in 0..<50 {
          kept.chain.mine(20)
          kept.chain.revert(to: snapshot)
        }
        return (kept.summary, try kept.bytes().count)
      }
      let (summary, size) = try life()
      let again = try KeptChain(file)
      #expect(again.summary == summary)
      #expect(try again.bytes().count < size / 20)
      #expect(again.chain.reorganise(depth: 4))
      #expect(try again.isTold())
    }
  }

  @Test("A start leaves a file as it is of which nothing was taken back, and adds to it")
  func startKeepsFile() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "chain")
      func life() async throws -> (summary: [String], bytes: [UInt8]) {
        let kept = try KeptChain(file)
        kept.chain.mine(300)
        kept.chain.fund(.precompile(0xaa), 3)
        try await kept.send(0)
        kept.chain.mine(2)
        kept.chain.setMining(.manual)
        try await kept.send(1)
        return (kept.summary, try kept.bytes())
      }
      let (summary, before) = try await life()
      func restart(_ change: (KeptChain) -> Void) throws {
        let kept = try KeptChain(file)
        #expect(kept.summary == summary)
        #expect(try kept.bytes() == before)
        change(kept)
        let after = try kept.bytes()
        #expect(after.starts(with: before) && after.count > before.count)
        #expect(try kept.isTold())
        try Data(before).write(to: file)
      }
      try restart { $0.chain.mine() }
      // Its blocks have their places in the file, and so they can be taken back.
      try restart { #expect($0.chain.reorganise(depth: 120)) }
      try restart { kept in
        let snapshot = kept.chain.snapshot()
        kept.chain.mine(2)
        #expect(kept.chain.revert(to: snapshot))
      }
    }
  }

  @Test("Deep reorganisations are kept, before a start and after it")
  func deep() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "chain")
      func life(_ blocks: Int) throws -> [String] {
        let kept = try KeptChain(file)
        kept.chain.mine(blocks)
        #expect(kept.chain.reorganise(depth: 120))
        #expect(try kept.isTold())
        return kept.summary
      }
      let first = try life(400)
      let second = try life(1)
      #expect(second.count == first.count + 1)
      let last = try life(3)
      #expect(try KeptChain(file).summary == last)
    }
  }

  @Test("A base fee that was set is kept, before its block and after it")
  func baseFee() async throws {
    try await withTemporaryFolder { folder in
      let kept = try KeptChain(folder.appending(path: "chain"))
      _ = try await kept.network.client.request(
        "hardhat_setNextBlockBaseFeePerGas", ["0x77359401"])
      #expect(try kept.told().mine().header.baseFeePerGas == 2_000_000_001)
      #expect(kept.chain.mine().header.baseFeePerGas == 2_000_000_001)
      #expect(kept.chain.mine().header.baseFeePerGas == 1_750_000_001)
      #expect(try kept.isTold())
    }
  }

  @Test("Whatever happens, in whatever order, the file tells of it", arguments: 1...6)
  func anyOrder(seed: UInt64) async throws {
    try await withTemporaryFolder { folder in
      var random = seed &* 0x9e37_79b9_7f4a_7c15
      func next(below bound: UInt64) -> UInt64 {
        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (random >> 33) % bound
      }
      let kept = try KeptChain(folder.appending(path: "chain"))
      var snapshots: [UInt64] = []
      for step in 0..<120 {
        switch next(below: 10) {
        case 0, 1: kept.chain.mine(1 + Int(next(below: 3)))
        case 2, 3: try await kept.send(Int(next(below: 4)))
        case 4: snapshots.append(kept.chain.snapshot())
        case 5:
          guard !snapshots.isEmpty else { continue }
          let index = Int(next(below: UInt64(snapshots.count)))
          #expect(kept.chain.revert(to: snapshots[index]))
          snapshots.removeSubrange((index + 1)...)
        case 6: kept.chain.reorganise(depth: 1 + Int(next(below: 4)))
        case 7: kept.chain.fund(.precompile(0xaa), Word(next(below: 9)))
        case 8: kept.chain.setMining(next(below: 2) == 0 ? .manual : .automatic)
        default: kept.chain.increaseTime(by: next(below: 100))
        }
        #expect(KeptChain.summary(try kept.told()) == kept.summary, "step \(step)")
      }
      #expect(try kept.isTold())
    }
  }

  @Test("A file that is cut anywhere tells of the last step that is whole")
  func cut() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "chain")
      var marks: [(size: Int, summary: [String])] = []
      let whole = try await { () async throws -> [UInt8] in
        let kept = try KeptChain(file)
        func mark() throws { marks.append((try kept.bytes().count, kept.summary)) }
        try mark()
        kept.chain.mine()
        try mark()
        try await kept.send(0)
        try mark()
        let snapshot = kept.chain.snapshot()
        kept.chain.mine()
        try mark()
        #expect(kept.chain.revert(to: snapshot))
        try mark()
        kept.chain.increaseTime(by: 100)
        kept.chain.fund(.precompile(0xaa), 3)
        try mark()
        #expect(kept.chain.reorganise(depth: 2))
        try mark()
        kept.chain.mine()
        try mark()
        return try kept.bytes()
      }()
      #expect(whole.count > 2000)
      let target = MockWeb3(unixClock: UnixClock { .seconds(Int64(TestChain.time)) })
      let heading = try #require(whole.firstIndex(of: 0x0a)) + 1
      let start = marks[0].size
      for length in heading...whole.count {
        try Data(whole[..<length]).write(to: file)
        try target.load(from: file)
        // Before the chain's own settings are written nothing was acknowledged.
        guard let last = marks.last(where: { $0.size <= length }) else {
          #expect(length < start)
          continue
        }
        let summary = KeptChain.summary(target)
        // Two changes that were made one after the other may be there one without the other.
        #expect(
          summary == last.summary
            || marks.first { $0.size > length }.map { summary == $0.summary } ?? false,
          "cut after \(length) bytes")
      }
      // A chain that starts with such a file goes on, and one without a whole heading is new.
      for length in [0, 1, 5, heading - 1, heading, start, start + 1, whole.count - 1] {
        try Data(whole[..<length]).write(to: file)
        let again = try KeptChain(file)
        #expect(again.chain.mine().number >= 1)
        #expect(try again.isTold())
      }
    }
  }

  @Test("A file of the form before this one is read, and written in this one")
  func olderForm() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "chain")
      func life() throws -> (summary: [String], text: String) {
        let kept = try KeptChain(file)
        kept.chain.mine(3)
        return (kept.summary, String(decoding: try kept.bytes(), as: UTF8.self))
      }
      let (summary, text) = try life()
      let older = text.replacing("\"plumiseChain\":4", with: "\"plumiseChain\":3")
        .replacing("\"nextBaseFee\":null,", with: "")
      #expect(older != text)
      try Data(older.utf8).write(to: file)
      let kept = try KeptChain(file)
      #expect(kept.summary == summary)
      #expect(String(decoding: try kept.bytes(), as: UTF8.self).contains("\"plumiseChain\":4"))
    }
  }
}
