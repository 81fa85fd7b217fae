import PetalsSwarm
import Testing

@Suite("Limits of a hash table's storage")
struct DHTStorageLimitTests {
  private let key = DHTID(of: .string("block"))
  private let peers = (0..<200).map { PeerID(ed25519: Array(repeating: UInt8($0), count: 32)) }
  private var filler: PeerID { peers[199] }

  private func value(_ count: Int, until expiration: Double, of byte: UInt8 = 1) -> DHTValue {
    DHTValue(Array(repeating: byte, count: count), until: expiration)
  }

  private func values(_ storage: DHTStorage, at now: Double) -> [MessagePackValue: DHTValue] {
    guard case .dictionary(let dictionary) = storage.record(key, at: now) else { return [:] }
    return dictionary.values
  }

  @Test("A value that is to hold for over an hour, or is longer than servers' are, is not kept")
  func lives() {
    var storage = DHTStorage()
    func store(_ count: Int, until expiration: Double) -> Bool {
      storage.store(
        value(count, until: expiration), under: key, subkey: .int(1), from: filler, at: 100)
    }
    for expiration in [1e300, .infinity, .nan, -.infinity, 100, 101 + DHTStorage.longestLife] {
      let isKept = store(300, until: expiration)
      #expect(!isKept, "\(expiration)")
    }
    let isLongKept = store(DHTStorage.valueLimit, until: 200)
    #expect(!isLongKept)
    #expect(storage.count == 0 && storage.byteCount == 0)
    let isKept = store(300, until: 100 + DHTStorage.longestLife)
    #expect(isKept)
  }

  @Test("A peer that fills a record gives way to a hundred others, and not to more of its own")
  func fullRecord() {
    var storage = DHTStorage()
    var count = 0
    func fill(_ number: Int) -> Bool {
      storage.store(
        value(4000, until: DHTStorage.longestLife), under: key, subkey: .int(Int64(number)),
        from: filler, at: 0)
    }
    while fill(count) { count += 1 }
    #expect(count > 200)
    for peer in peers.prefix(100) {
      let isKept = storage.store(
        value(300, until: 240), under: key, subkey: .string(peer.description), from: peer, at: 0)
      #expect(isKept)
      #expect(storage.byteCount <= DHTStorage.recordLimit)
    }
    let kept = values(storage, at: 0)
    #expect(peers.prefix(100).allSatisfy { kept[.string($0.description)] != nil })
    #expect(kept.count < count + 100 && kept.count > 200)
    let isMoreKept = fill(count)
    #expect(!isMoreKept)
    // What is void gives its room back, and nothing is counted twice.
    let isLaterKept = storage.store(
      value(300, until: 1000), under: key, subkey: .string("late"), from: peers[0], at: 300)
    #expect(isLaterKept)
    storage.expire(at: 2 * DHTStorage.longestLife)
    #expect(storage.byteCount == 0 && storage.count == 0)
  }

  @Test("A record that many fill alike takes none that would have as much")
  func fairShares() {
    var storage = DHTStorage()
    for (number, peer) in peers.enumerated() {
      for part in 0..<2 {
        _ = storage.store(
          value(4000, until: 240), under: key, subkey: .int(Int64(2 * number + part)), from: peer,
          at: 0)
      }
    }
    let kept = values(storage, at: 0)
    // Room is for some 240 values: each of the 200 has one at least.
    for number in peers.indices {
      #expect(kept[.int(Int64(2 * number))] != nil || kept[.int(Int64(2 * number + 1))] != nil)
    }
    let other = PeerID(ed25519: Array(repeating: 250, count: 32))
    let isKept = storage.store(
      value(9000, until: 240), under: key, subkey: .int(-1), from: other, at: 0)
    #expect(!isKept)
    #expect(Set(values(storage, at: 0).keys) == Set(kept.keys))
  }

  @Test("A peer that fills all of the memory gives way to others, whatever their keys")
  func fullMemory() {
    var storage = DHTStorage()
    let long = DHTStorage.valueLimit - 100
    var count = 0
    func fill(_ number: Int) -> Bool {
      storage.store(
        value(long, until: 1000), under: DHTID(of: .int(Int64(number))), subkey: nil, from: filler,
        at: 0)
    }
    while fill(count) { count += 1 }
    #expect(count > 4000)
    for (number, peer) in peers.prefix(100).enumerated() {
      let other = DHTID(of: .string("\(number)"))
      let isKept = storage.store(
        value(300, until: 240), under: other, subkey: .string(peer.description), from: peer, at: 0)
      #expect(isKept && storage.record(other, at: 0) != nil)
    }
    #expect(storage.byteCount <= DHTStorage.byteLimit)
    let isMoreKept = fill(count)
    #expect(!isMoreKept)
  }

  @Test("What a peer says under its own name counts more than what others say there, however late")
  func ownName() {
    var storage = DHTStorage()
    let (server, stranger) = (peers[0], peers[1])
    func store(_ value: DHTValue, from peer: PeerID, at now: Double) -> Bool {
      storage.store(
        value, under: key, subkey: .string(server.description), from: peer, at: now)
    }
    let late = value(10, until: 3000, of: 2)
    let isStrangerKept = store(late, from: stranger, at: 0)
    #expect(isStrangerKept)
    let own = value(10, until: 240)
    let isOwnKept = store(own, from: server, at: 0)
    let isLateKept = store(late, from: stranger, at: 0)
    #expect(isOwnKept && !isLateKept)
    #expect(values(storage, at: 0) == [.string(server.description): own])
    // A copy that another node hands on is there already.
    let isCopyKept = store(own, from: stranger, at: 0)
    #expect(isCopyKept)
    let isEarlierKept = store(value(10, until: 200), from: server, at: 0)
    #expect(!isEarlierKept)
    let isAfterwardsKept = store(late, from: stranger, at: 300)
    #expect(isAfterwardsKept)
    #expect(values(storage, at: 300) == [.string(server.description): late])
  }

  @Test("A record's only value hides no values under subkeys, and gives way to them")
  func onlyValue() {
    var storage = DHTStorage()
    func store(_ subkey: MessagePackValue?, until expiration: Double, at now: Double) -> Bool {
      storage.store(
        value(10, until: expiration), under: key, subkey: subkey, from: filler, at: now)
    }
    let isOnlyKept = store(nil, until: 3000, at: 0)
    #expect(isOnlyKept)
    #expect(storage.record(key, at: 0) == .value(value(10, until: 3000)))
    let isNamedKept = store(.string("a"), until: 240, at: 0)
    let isOnlyKeptAgain = store(nil, until: 3000, at: 0)
    #expect(isNamedKept && !isOnlyKeptAgain)
    #expect(values(storage, at: 0) == [.string("a"): value(10, until: 240)])
    let isKeptAfterwards = store(nil, until: 3000, at: 240)
    #expect(isKeptAfterwards)
    #expect(storage.record(key, at: 240) == .value(value(10, until: 3000)))
  }
}
