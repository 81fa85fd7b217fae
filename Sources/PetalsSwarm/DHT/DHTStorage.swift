/// The records that a node keeps for the swarm, up to limits that no peer can use up for others.
///
/// Where a limit is reached, the peer that has stored most gives way to those that have stored less: a
/// peer that fills a record, or all of the memory, loses its own values when another one stores one.
package struct DHTStorage: Sendable {
  /// Most bytes of all records together, those of their keys included.
  package static let byteLimit = 64 << 20
  /// Most bytes of one record: an answer holds what is under its key, and has 4 MiB at most.
  package static let recordLimit = 1 << 20
  /// Most bytes of a value and its subkey; servers' have some 400.
  package static let valueLimit = 16 << 10
  /// For how long a value may hold, in seconds.
  ///
  /// One for ever would take its room for ever; Petals' servers announce themselves for some minutes.
  package static let longestLife = 3600.0
  /// What a value takes in memory beside itself and its subkey, in bytes.
  private static let overhead = 256
  /// The time between two looks for what is void, in seconds: each is at all values.
  private static let lookInterval = 1.0

  /// Where a value is kept; no subkey for a record's only value.
  private struct Place: Hashable {
    let key: DHTID
    let subkey: MessagePackValue?
  }

  private struct Entry: Sendable {
    let value: DHTValue
    /// Who has it kept.
    let owner: PeerID
    /// Whether the owner speaks of itself: the subkey is its name.
    let isOwn: Bool
    /// What it takes in memory, in bytes.
    let size: Int
  }

  private struct Record: Sendable {
    var entries: [MessagePackValue?: Entry] = [:]
    var shares = Shares()
  }

  /// Bytes by the peers that have them kept.
  private struct Shares: Sendable {
    private(set) var bytes: [PeerID: Int] = [:]
    private(set) var total = 0

    mutating func add(_ size: Int, of peer: PeerID) {
      let sum = bytes[peer, default: 0] + size
      bytes[peer] = sum == 0 ? nil : sum
      total += size
    }

    /// The peer that has to make room for another one's value; nil where none has more than that one
    /// would have.
    func peer(toMakeRoomFor size: Int, of peer: PeerID) -> PeerID? {
      guard let most = bytes.max(by: { $0.value < $1.value }) else { return nil }
      return most.value > bytes[peer, default: 0] + size ? most.key : nil
    }
  }

  private var records: [DHTID: Record] = [:]
  private var shares = Shares()
  private var places: [PeerID: Set<Place>] = [:]
  /// No value is void before.
  private var earliestExpiration = Double.infinity
  private var latestLook = -Double.infinity

  /// No records.
  package init() {}

  /// What all records take in memory, in bytes.
  package var byteCount: Int { shares.total }

  /// Keys that have a record.
  package var count: Int { records.count }

  /// The record under a key, without what is void.
  package func record(_ key: DHTID, at now: Double) -> DHTRecord? {
    var dictionary = DHTDictionary()
    for (subkey, entry) in records[key]?.entries ?? [:] where entry.value.expiration > now {
      guard let subkey else { return .value(entry.value) }
      _ = dictionary.store(entry.value, under: subkey)
    }
    return dictionary.values.isEmpty ? nil : .dictionary(dictionary)
  }

  /// Keeps a value, unless it is void, holds for too long, is too long, another one counts more than it,
  /// or there is no room.
  ///
  /// Of two values the later one counts, with two exceptions, for whoever stores a value may give it any
  /// time: what a peer says under its own name counts more than what others say there, and values under
  /// subkeys count more than a record's only value, which would hide them all.
  ///
  /// - Parameters:
  ///   - subkey: Nil for the record's only value.
  ///   - peer: Who has it kept.
  package mutating func store(
    _ value: DHTValue, under key: DHTID, subkey: MessagePackValue?, from peer: PeerID,
    at now: Double
  ) -> Bool {
    guard value.expiration > now, value.expiration <= now + Self.longestLife else { return false }
    let length = value.bytes.count + (subkey?.encoded.count ?? 0)
    guard length <= Self.valueLimit else { return false }
    let entry = Entry(
      value: value, owner: peer, isOwn: subkey?.text == peer.description,
      size: length + Self.overhead)
    let place = Place(key: key, subkey: subkey)
    if let answer = answer(to: entry, at: place, now) { return answer }
    // What it takes the place of makes room first.
    var replaced: [(Place, Entry)] = []
    for place in Set([place, Place(key: key, subkey: nil)]) {
      if let old = remove(place) { replaced.append((place, old)) }
    }
    guard makeRoom(for: entry, in: key, now) else {
      for (place, old) in replaced { insert(old, at: place) }
      return false
    }
    insert(entry, at: place)
    return true
  }

  /// What is said of a value because of those that are there; nil where it takes their place.
  private func answer(to new: Entry, at place: Place, _ now: Double) -> Bool? {
    guard let record = records[place.key] else { return nil }
    if place.subkey == nil,
      record.entries.contains(where: { $0.key != nil && $0.value.value.expiration > now })
    {
      return false
    }
    guard let old = record.entries[place.subkey], old.value.expiration > now else { return nil }
    if old.isOwn != new.isOwn { return new.isOwn ? nil : old.value == new.value }
    return old.value.expiration >= new.value.expiration ? old.value == new.value : nil
  }

  /// Makes room for a value, in its record and in all of the memory.
  private mutating func makeRoom(for entry: Entry, in key: DHTID, _ now: Double) -> Bool {
    if records[key].map({ $0.shares.total + entry.size > Self.recordLimit }) ?? false {
      expire(key, now)
    }
    while let record = records[key], record.shares.total + entry.size > Self.recordLimit {
      guard let peer = record.shares.peer(toMakeRoomFor: entry.size, of: entry.owner),
        let first = record.entries.filter({ $0.value.owner == peer })
          .min(by: { $0.value.value.expiration < $1.value.value.expiration })
      else { return false }
      remove(Place(key: key, subkey: first.key))
    }
    if shares.total + entry.size > Self.byteLimit { expire(at: now) }
    while shares.total + entry.size > Self.byteLimit {
      guard let peer = shares.peer(toMakeRoomFor: entry.size, of: entry.owner),
        let place = places[peer]?.first
      else { return false }
      remove(place)
    }
    return true
  }

  /// Forgets what is void.
  package mutating func expire(at now: Double) {
    let isDue = now < latestLook || now >= latestLook + Self.lookInterval
    guard earliestExpiration <= now, isDue else { return }
    latestLook = now
    for key in Array(records.keys) { expire(key, now) }
    earliestExpiration = records.values.reduce(.infinity) { earliest, record in
      record.entries.values.reduce(earliest) { min($0, $1.value.expiration) }
    }
  }

  private mutating func expire(_ key: DHTID, _ now: Double) {
    let entries = records[key]?.entries ?? [:]
    for (subkey, entry) in entries where entry.value.expiration <= now {
      remove(Place(key: key, subkey: subkey))
    }
  }

  private mutating func insert(_ entry: Entry, at place: Place) {
    records[place.key, default: Record()].entries[place.subkey] = entry
    records[place.key]?.shares.add(entry.size, of: entry.owner)
    shares.add(entry.size, of: entry.owner)
    places[entry.owner, default: []].insert(place)
    earliestExpiration = min(earliestExpiration, entry.value.expiration)
  }

  @discardableResult
  private mutating func remove(_ place: Place) -> Entry? {
    guard let entry = records[place.key]?.entries.removeValue(forKey: place.subkey) else {
      return nil
    }
    records[place.key]?.shares.add(-entry.size, of: entry.owner)
    if records[place.key]?.entries.isEmpty == true { records[place.key] = nil }
    shares.add(-entry.size, of: entry.owner)
    places[entry.owner]?.remove(place)
    if places[entry.owner]?.isEmpty == true { places[entry.owner] = nil }
    return entry
  }
}
