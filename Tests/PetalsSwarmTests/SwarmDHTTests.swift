import AsyncPrimitives
import Foundation
import PetalsSwarm
import SwiftProtobuf
import TestSupport
import Testing

@Suite(
  "Hash table of a swarm", .enabled(if: Daemon.isThere, Daemon.reason), .timeLimit(.minutes(5)))
struct SwarmDHTTests {
  /// Runs a body with peers of one swarm, which know the first one when they start.
  private func withPeers(
    _ count: Int, _ peers: [SwarmPeer] = [], _ body: ([SwarmPeer]) async throws -> Void
  ) async throws {
    guard peers.count < count else { return try await body(peers) }
    let initial = peers.first?.addresses ?? []
    try await withQuietPeer(SwarmConfiguration(initialPeers: initial)) { peer in
      try await withPeers(count, peers + [peer], body)
    }
  }

  private func entry(_ key: String, _ subkey: String?, _ value: String, until: Double) -> DHTEntry {
    DHTEntry(
      key: DHTID(of: .string(key)), subkey: subkey.map { .string($0) },
      value: DHTValue(MessagePackValue.string(value).encoded, until: until))
  }

  @Test("What one peer stores every other one finds, also one that came later")
  func storeAndFind() async throws {
    try await withPeers(4) { peers in
      let until = Date().timeIntervalSince1970 + 60
      let tables = try peers.map { try $0.hashTable }
      let kept = try await tables[3].store([
        entry("plain", nil, "value", until: until), entry("names", "a", "first", until: until),
      ])
      #expect(kept.allSatisfy { $0 >= 1 }, "\(kept)")
      _ = try await tables[2].store([entry("names", "b", "second", until: until)])
      let keys = [DHTID(of: .string("plain")), DHTID(of: .string("names"))]
      let initial = try #require(peers.first?.addresses)
      try await withQuietPeer(SwarmConfiguration(initialPeers: initial, membership: .client)) {
        late in
        for table in tables + [try late.hashTable] {
          let found = try await table.records(keys)
          let value = DHTValue(MessagePackValue.string("value").encoded, until: until)
          #expect(found[keys[0]] == .value(value))
          guard case .dictionary(let names) = found[keys[1]] else {
            Issue.record("no dictionary, but \(String(describing: found[keys[1]]))")
            continue
          }
          let texts = try names.values.mapValues { try $0.decoded.text }
          #expect(texts == [.string("a"): "first", .string("b"): "second"])
        }
      }
    }
  }

  @Test("A later value replaces an earlier one, and a void one is neither kept nor found")
  func expiration() async throws {
    try await withPeers(2) { peers in
      let now = Date().timeIntervalSince1970
      let table = try peers[1].hashTable
      let key = DHTID(of: .string("key"))
      #expect(try await table.store([entry("key", nil, "void", until: now - 1)]) == [0])
      #expect(try await table.records([key]).isEmpty)
      _ = try await table.store([entry("key", nil, "late", until: now + 60)])
      _ = try await table.store([entry("key", nil, "early", until: now + 30)])
      let late = DHTValue(MessagePackValue.string("late").encoded, until: now + 60)
      #expect(try await table.records([key]) == [key: .value(late)])
      _ = try await table.store([entry("key", nil, "later", until: now + 90)])
      let later = DHTValue(MessagePackValue.string("later").encoded, until: now + 90)
      #expect(try await peers[0].hashTable.records([key]) == [key: .value(later)])
    }
  }

  @Test("A record takes what fits into one answer, and many long records are found in several")
  func longRecords() async throws {
    try await withPeers(2) { peers in
      let until = Date().timeIntervalSince1970 + 60
      let table = try peers[1].hashTable
      let text = String(repeating: "x", count: 2000)
      let names = (0..<16).map { "long \($0)" }
      // 16 records of 300 values of 2000 bytes: more than twice what one answer holds.
      let kept = try await table.store(
        names.flatMap { name in
          (0..<300).map { entry(name, "\($0)", text, until: until) }
        })
      #expect(kept.allSatisfy { $0 == 2 })
      let keys = names.map { DHTID(of: .string($0)) }
      try await withQuietPeer(
        SwarmConfiguration(initialPeers: peers[0].addresses, membership: .client)
      ) { client in
        let found = try await client.hashTable.records(keys)
        for key in keys {
          guard case .dictionary(let dictionary) = found[key] else {
            Issue.record("no dictionary under \(key)")
            continue
          }
          #expect(dictionary.values.count == 300)
        }
      }
      let more = try await table.store(
        (300..<900).map { entry("long 0", "\($0)", text, until: until) })
      // A mebibyte has room for some 490 of them.
      #expect(more.first == 2)
      #expect(more.last == 0)
    }
  }

  @Test("Thousands of records are stored and found, and an announcement of a thousand servers too")
  func manyRecords() async throws {
    try await withPeers(3) { peers in
      let until = Date().timeIntervalSince1970 + 600
      let tables = try peers.map { try $0.hashTable }
      let entries =
        (0..<2000).map { entry("key \($0)", nil, "\($0)", until: until) }
        + (0..<1000).map { entry("block", "server \($0)", "\($0)", until: until) }
      let kept = try await tables[1].store(entries)
      #expect(kept.allSatisfy { $0 >= 1 })
      let keys = entries.prefix(2000).map(\.key)
      let found = try await tables[2].records(keys)
      #expect(found.count == 2000)
      for entry in entries.prefix(2000) { #expect(found[entry.key] == .value(entry.value)) }
      let block = DHTID(of: .string("block"))
      guard case .dictionary(let servers) = try await tables[2].records([block])[block] else {
        Issue.record("no dictionary")
        return
      }
      #expect(servers.values.count == 1000)
    }
  }

  @Test(
    "A peer whose clock is wrong does not join, and says what to do",
    arguments: [-3600.0, -10, 10, 3600])
  func wrongClock(seconds: Double) async throws {
    try await withQuietPeer { first in
      var configuration = SwarmConfiguration(initialPeers: first.addresses)
      configuration.unixClock = { Date().timeIntervalSince1970 + seconds }
      let error = await #expect(throws: SwarmError.self) {
        try await withQuietPeer(configuration) { _ in }
      }
      #expect(error?.code == .clocksDiffer)
      #expect(error?.message.contains("set the clocks") == true, "\(error?.message ?? "none")")
      // One of its initial peers has the time that it has itself: that one is enough.
      var own = SwarmConfiguration()
      own.unixClock = configuration.unixClock
      try await withQuietPeer(own) { [configuration] other in
        var configuration = configuration
        configuration.initialPeers += other.addresses
        try await withQuietPeer(configuration) { peer in
          let known = try peer.hashTable.contacts.map(\.peer)
          #expect(known == [other.id])
        }
      }
    }
  }

  @Test("A record that is to hold for more than an hour is not kept, and no server's is believed")
  func longLives() async throws {
    let model = try SwarmModel(prefix: "long", blockCount: 1)
    try await withPeers(2) { peers in
      let now = Date().timeIntervalSince1970
      let table = try peers[1].hashTable
      let longer = entry("key", nil, "value", until: now + DHTStorage.longestLife + 60)
      #expect(try await table.store([longer]) == [0])
      #expect(try await table.store([entry("key", nil, "value", until: now + 3000)]) == [2])
      // One that another peer serves all the same.
      var dictionary = DHTDictionary()
      let (honest, liar) = (SwarmIdentity().peer, SwarmIdentity().peer)
      let record = ServerRecord(state: .online, throughput: 1, blocks: 0..<1).message.encoded
      for (peer, until) in [(honest, now + 200), (liar, now + 1e6)] {
        _ = dictionary.store(DHTValue(record, until: until), under: .string(peer.description))
      }
      let message = dictionary.message.encoded
      try await peers[0].handle("DHTProtocol.rpc_find") { _, bytes in
        let request = try SwarmFindRequest(serializedBytes: bytes)
        var response = SwarmFindResponse()
        response.results = request.keys.map { _ in
          var result = SwarmFindResult()
          result.type = .foundDictionary
          result.value = Data(message)
          result.expirationTime = now + 1e6
          return result
        }
        return try response.serializedBytes()
      }
      let (logger, log) = LogLines.recording()
      let servers = try await table.servers(of: model, logger: logger)
      #expect(Array(servers.keys) == [honest])
      #expect(log.count(of: "for more than an hour") == 1, "\(log.all)")
    }
  }

  @Test("A peer that leaves is done without")
  func leaving() async throws {
    try await withPeers(2) { peers in
      let until = Date().timeIntervalSince1970 + 60
      let key = DHTID(of: .string("key"))
      try await withQuietPeer(SwarmConfiguration(initialPeers: peers[0].addresses)) { third in
        let kept = try await third.hashTable.store([entry("key", nil, "value", until: until)])
        #expect(kept == [3])
      }
      #expect(try await peers[1].hashTable.records([key]).count == 1)
    }
  }

  @Test("Requests that have not their form are refused in words, and the peer goes on")
  func malformedRequests() async throws {
    try await withPeers(2) { peers in
      var store = SwarmStoreRequest()
      store.keys = [Data([1, 2, 3])]
      store.subkeys = [Data([0xc0])]
      store.values = [Data()]
      store.expirationTime = [.infinity]
      var lists = SwarmStoreRequest()
      lists.keys = [Data(count: 20), Data(count: 20)]
      var find = SwarmFindRequest()
      find.keys = [Data(count: 21)]
      let requests: [(String, [UInt8], String)] = [
        ("rpc_store", try store.serializedBytes(), "3 bytes, not 20"),
        ("rpc_store", try lists.serializedBytes(), "differ in length"),
        ("rpc_find", try find.serializedBytes(), "21 bytes, not 20"),
        ("rpc_find", Array(repeating: 0xff, count: 100), ""),
        ("rpc_ping", [0x0a, 0x7f], ""),
      ]
      for (name, bytes, words) in requests {
        let error = await #expect(throws: SwarmError.self) {
          try await peers[1].call(peers[0].id, "DHTProtocol.\(name)", bytes)
        }
        #expect(error?.code == .refused)
        #expect(words.isEmpty || error?.message.contains(words) == true, "\(error?.message ?? "")")
      }
      _ = try await peers[1].hashTable.ping(peers[0].id)
    }
  }
}

@Suite("Storage of a hash table")
struct DHTStorageTests {
  @Test("Of two places the nearer one by exclusive or is the nearer one")
  func distance() throws {
    func id(_ first: UInt8) throws -> DHTID {
      try #require(DHTID(bytes: [first] + Array(repeating: 0, count: 19)))
    }
    let target = try id(0b1010)
    #expect(try id(0b1011).isNearer(to: target, than: id(0b1110)))
    #expect(try !id(0b0010).isNearer(to: target, than: id(0b1000)))
    #expect(!target.isNearer(to: target, than: target))
    #expect(DHTID(bytes: Array(repeating: 0, count: 19)) == nil)
  }

  @Test("A dictionary keeps the later value of each name")
  func merging() {
    func value(_ byte: UInt8, _ until: Double) -> DHTValue { DHTValue([byte], until: until) }
    var first = DHTDictionary()
    let isFirstKept = first.store(value(1, 10), under: .string("a"))
    let isEarlierKept = first.store(value(2, 5), under: .string("a"))
    #expect(isFirstKept && !isEarlierKept)
    var second = DHTDictionary()
    _ = second.store(value(3, 20), under: .string("a"))
    _ = second.store(value(4, 8), under: .string("b"))
    first.merge(second)
    #expect(first.values == [.string("a"): value(3, 20), .string("b"): value(4, 8)])
    #expect(first.latestExpiration == 20)
  }

  @Test(
    "A server's record that cannot be is refused",
    arguments: [
      MessagePackValue.null, .tuple([]), .tuple([.int(2)]),
      .tuple([.int(2), .double(.nan), .map([])]),
      .tuple([.int(2), .double(1), .map([])]),
      .tuple([.int(2), .double(1), .object(["start_block": .int(3), "end_block": .int(3)])]),
      .tuple([.int(2), .double(1), .object(["start_block": .int(-1), "end_block": .int(3)])]),
      .tuple([.int(2), .double(1), .object(["start_block": .int(0), "end_block": .int(-3)])]),
      .tuple([.int(2), .double(1), .object(["start_block": .int(5), "end_block": .int(2)])]),
      .tuple([.int(2), .double(1), .object(["start_block": .int(0), "end_block": .int(.max)])]),
    ])
  func wrongRecords(message: MessagePackValue) {
    #expect(throws: SwarmMessageError.self) { try ServerRecord(message) }
  }

  @Test(
    "A rate that no machine has is none, so that no time is made of it",
    arguments: [1e-300, 0, -1, 1e300, .infinity, .nan])
  func wrongRates(rate: Double) throws {
    let fields: MessagePackValue = .object([
      "start_block": .int(0), "end_block": .int(3), "inference_rps": .double(rate),
      "forward_rps": .double(25),
    ])
    let record = try ServerRecord(.tuple([.int(2), .double(1), fields]))
    #expect(record.inferenceRPS == nil)
    #expect(record.forwardRPS == 25)
  }

  @Test("Steps are told apart by their names, of which a session keeps the last ones")
  func recentSteps() throws {
    var steps = RecentSteps()
    // A number that is none is equal to nothing.
    for name: MessagePackValue in [.string("a"), .int(1), .double(.nan)] {
      let isNew = try [steps.isNew(name), steps.isNew(name)]
      #expect(isNew == [true, false], "\(name)")
    }
    let unnamed = try [steps.isNew(nil), steps.isNew(nil), steps.isNew(.null), steps.isNew(.null)]
    #expect(unnamed == [true, true, true, true])
    for number in 2..<2 + RecentSteps.greatestCount {
      let isNew = try steps.isNew(.int(Int64(number)))
      #expect(isNew)
    }
    let isForgotten = try steps.isNew(.int(1))
    #expect(isForgotten)
    #expect(steps.count == RecentSteps.greatestCount)
    let long = MessagePackValue.string(String(repeating: "x", count: RecentSteps.longestName))
    #expect(throws: SwarmMessageError.self) { try steps.isNew(long) }
  }

  @Test("A prefix that would part names of blocks is refused, and Petals' own has none of that")
  func prefixes() throws {
    for prefix in ["", "a.b", "a b"] {
      #expect(throws: SwarmMessageError.self) { try SwarmModel(prefix: prefix, blockCount: 1) }
    }
    #expect(SwarmModel.defaultPrefix("bigscience/bloom-7b1") == "bigscience/bloom-7b1-petals")
    #expect(SwarmModel.defaultPrefix("tiny v0.2") == "tiny-v0-2-petals")
  }
}
