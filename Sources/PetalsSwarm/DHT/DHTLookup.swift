import AsyncPrimitives

/// A search for the nodes nearest to some keys, and for the records that they keep.
///
/// In rounds: the nearest nodes that were not asked yet are asked for the keys they are near to, and name
/// nodes that are nearer still, until each key's nearest nodes have all been asked.
struct DHTLookup {
  /// Nodes near to a key that are asked in one round.
  private static let width = 4
  /// Most rounds; a swarm of honest nodes needs as many as the logarithm of its size.
  private static let rounds = 24

  /// What was found of a key.
  struct Finding: Sendable {
    /// Nodes that answered, nearest first.
    var nearest: [DHTContact] = []
    var record: DHTRecord?
  }

  fileprivate struct Search {
    /// By peer: one that takes several places counts once.
    var known: [PeerID: DHTContact] = [:]
    var asked: Set<PeerID> = []
    var answered: Set<PeerID> = []
    var record: DHTRecord?
  }

  private let table: SwarmDHT
  private let keys: [DHTID]

  init(_ table: SwarmDHT, _ keys: [DHTID]) {
    self.table = table
    self.keys = keys
  }

  /// Searches for all keys at once.
  ///
  /// - Throws: `CancellationError`; nodes that do not answer are done without.
  func run() async throws -> [DHTID: Finding] {
    var searches: [DHTID: Search] = [:]
    for key in keys {
      var search = Search(record: table.localRecord(key))
      for contact in table.nearest(key) { search.known[contact.peer] = contact }
      searches[key] = search
    }
    for _ in 0..<Self.rounds {
      let round = plan(&searches)
      if round.isEmpty { break }
      let answers = await ask(round)
      try Task.checkCancellation()
      for (contact, keys, results) in answers {
        for (index, key) in keys.enumerated() {
          guard let result = results?[index] else {
            searches[key]?.known[contact.peer] = nil
            continue
          }
          searches[key]?.answered.insert(contact.peer)
          searches[key]?.add(result, near: key, own: table.peer.id, now: table.now)
        }
      }
    }
    return searches.mapValuesWithKeys { key, search in
      let nearest = search.known.values.filter { search.answered.contains($0.peer) }
        .sorted { $0.id.isNearer(to: key, than: $1.id) }
      return Finding(nearest: nearest, record: search.record)
    }
  }

  /// Whom to ask next, and for what.
  private func plan(_ searches: inout [DHTID: Search]) -> [(DHTContact, [DHTID])] {
    var questions: [DHTContact: [DHTID]] = [:]
    for key in keys {
      guard var search = searches[key] else { continue }
      let near = search.known.values.sorted { $0.id.isNearer(to: key, than: $1.id) }
        .prefix(DHTRoutingTable.bucketSize)
      for contact in near.filter({ !search.asked.contains($0.peer) }).prefix(Self.width) {
        search.asked.insert(contact.peer)
        questions[contact, default: []].append(key)
      }
      searches[key] = search
    }
    return questions.map { ($0.key, $0.value) }
  }

  private func ask(
    _ round: [(DHTContact, [DHTID])]
  ) async -> [(DHTContact, [DHTID], [SwarmFindResult?]?)] {
    await withTaskGroup(of: (DHTContact, [DHTID], [SwarmFindResult?]?).self) { group in
      for (contact, keys) in round {
        group.addTask { [table] in
          // A peer that does not answer has nothing: others are asked.
          (contact, keys, try? await table.find(keys, at: contact))
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
  }
}

extension DHTLookup.Search {
  /// Takes what a node said of a key; what has not its form is done without.
  mutating func add(_ result: SwarmFindResult, near key: DHTID, own: PeerID, now: Double) {
    for (id, peer) in zip(result.nearestNodeIds, result.nearestPeerIds)
      .prefix(DHTRoutingTable.bucketSize)
    {
      let peer = PeerID(bytes: peer)
      guard peer != own, known[peer] == nil, !asked.contains(peer), let id = DHTID(bytes: id) else {
        continue
      }
      known[peer] = DHTContact(id: id, peer: peer)
    }
    switch result.type {
    case .foundRegular:
      guard result.expirationTime > now else { return }
      // One value, which may be anybody's, hides no values under subkeys.
      if case .dictionary = record { return }
      if let record, record.expiration >= result.expirationTime { return }
      record = .value(DHTValue(Array(result.value), until: result.expirationTime))
    case .foundDictionary:
      // What cannot be read counts as not found: another peer may hold it whole.
      guard let message = try? MessagePackValue(decoding: result.value),
        var dictionary = try? DHTDictionary(message)
      else { return }
      if case .dictionary(let old) = record { dictionary.merge(old) }
      dictionary.expire(at: now)
      if !dictionary.values.isEmpty { record = .dictionary(dictionary) }
    default: return
    }
  }
}

extension Dictionary {
  fileprivate func mapValuesWithKeys<Result>(
    _ transform: (Key, Value) -> Result
  ) -> [Key: Result] {
    Dictionary<Key, Result>(
      uniqueKeysWithValues: map { ($0.key, transform($0.key, $0.value)) })
  }
}

extension SwarmDHT {
  /// Looks records up.
  ///
  /// - Returns: Those that were found.
  /// - Throws: `CancellationError`.
  package func records(_ keys: [DHTID]) async throws -> [DHTID: DHTRecord] {
    try await findAnybody()
    return try await DHTLookup(self, keys).run().compactMapValues(\.record)
  }

  /// Has values kept by the nodes nearest to their keys.
  ///
  /// - Returns: For each entry, how many nodes keep it.
  /// - Throws: `CancellationError`.
  package func store(_ entries: [DHTEntry]) async throws -> [Int] {
    try await findAnybody()
    let findings = try await DHTLookup(self, Array(Set(entries.map(\.key)))).run()
    var kept = Array(repeating: 0, count: entries.count)
    var requests: [DHTContact: [Int]] = [:]
    for (index, entry) in entries.enumerated() {
      let nearest = findings[entry.key]?.nearest.prefix(Self.replicas) ?? []
      for contact in nearest { requests[contact, default: []].append(index) }
      // A node that is among the nearest keeps it itself.
      let isNear =
        nearest.count < Self.replicas
        || nearest.contains { id.isNearer(to: entry.key, than: $0.id) }
      if peer.configuration.membership == .full, isNear, keep(entry) { kept[index] += 1 }
    }
    let answers = await withTaskGroup(of: ([Int], [Bool]).self) { group in
      for (contact, indices) in requests {
        group.addTask {
          // A peer that does not answer keeps nothing, and is counted so.
          let answer = try? await self.store(indices.map { entries[$0] }, at: contact)
          return (indices, answer ?? [])
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    try Task.checkCancellation()
    for (indices, answer) in answers {
      for (index, isKept) in zip(indices, answer) where isKept { kept[index] += 1 }
    }
    return kept
  }
}
