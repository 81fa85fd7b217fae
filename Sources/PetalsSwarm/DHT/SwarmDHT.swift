import AsyncPrimitives
import Foundation
import Logging
import SwiftProtobuf
import Synchronization

/// A node of the hash table by which the members of a swarm find each other, or a client of it.
///
/// Kademlia, as hivemind speaks it: `DHTProtocol.rpc_ping`, `rpc_store` and `rpc_find` over unary calls.
public final class SwarmDHT: Sendable {
  /// How many nodes keep a record.
  static let replicas = 5
  /// How long ago, or in how long, another peer's clock may be.
  static let clockTolerance = 3.0
  /// Most keys of one request.
  static let keysPerRequest = 16
  /// Most values of one request: those of servers have some hundred bytes each.
  static let entriesPerRequest = 256
  /// Between two looks at which nodes are near.
  static let refreshInterval = Duration.seconds(60)

  /// Its place in the table; a client has none that others know.
  let id: DHTID
  let peer: SwarmPeer
  private let unixClock: @Sendable () -> Double

  private struct State: Sendable {
    var table: DHTRoutingTable
    var storage = DHTStorage()
  }

  private let state: Mutex<State>

  /// A node of a swarm that nothing is known of yet.
  ///
  /// - Parameter unixClock: The time of day, in seconds of the Unix epoch.
  init(
    _ peer: SwarmPeer, id: DHTID = .random(), unixClock: @escaping @Sendable () -> Double
  ) {
    self.peer = peer
    self.id = id
    self.unixClock = unixClock
    state = Mutex(State(table: DHTRoutingTable(own: id)))
  }

  /// The time of day, in seconds of the Unix epoch.
  var now: Double { unixClock() }

  /// The nodes that it knows.
  package var contacts: [DHTContact] { state.withLock { $0.table.contacts } }

  /// Records that it keeps for others.
  var recordCount: Int { state.withLock { $0.storage.count } }

  /// Begins to answer other nodes, and asks the initial peers for the nodes near to it.
  ///
  /// A peer answers pings whatever it is: Petals measures the way to it with them.
  /// - Throws: ``SwarmError`` when p2pd refuses; ``SwarmError/Code/clocksDiffer`` when no initial peer
  ///   can be used because of it.
  func start() async throws {
    try await answer("rpc_ping", ping)
    if peer.configuration.membership == .full {
      try await answer("rpc_store", store)
      try await answer("rpc_find", find)
    }
    if let error = try await join(), error.code == .clocksDiffer { throw error }
  }

  /// Keeps what is known up to date until its task is cancelled.
  func run() async throws {
    let time = Stopwatch(peer.clock)
    while true {
      try await time.sleep(until: time.elapsed + Self.refreshInterval)
      state.withLock { [now] in $0.storage.expire(at: now) }
      try await join()
    }
  }

  /// Asks the initial peers, where nobody is known, and looks for the nodes near to this one.
  ///
  /// - Returns: Why none of the initial peers can be used; nil where one can, or none is named.
  @discardableResult
  private func join() async throws -> SwarmError? {
    let failure = try await findAnybody()
    if let failure {
      peer.logger.warning(
        "no initial peer of the swarm can be used", metadata: ["error": "\(failure)"])
    }
    if !contacts.isEmpty { _ = try await DHTLookup(self, [id]).run() }
    return failure
  }

  /// Asks the initial peers where nobody is known: they may have been away, or slow, before.
  ///
  /// - Returns: Why none of them can be used; nil where somebody is known, or none is named.
  @discardableResult
  func findAnybody() async throws -> SwarmError? {
    guard contacts.isEmpty else { return nil }
    var failure: SwarmError?
    for address in peer.configuration.initialPeers {
      do {
        try await ping(address.peer)
      } catch {
        // One that is away now may be there later: the others are enough to begin with.
        try Task.checkCancellation()
        let error =
          error as? SwarmError ?? SwarmError(.malformed, "\(error)", peer: address.peer)
        // Clocks are what can be set; the rest may pass.
        if failure?.code != .clocksDiffer { failure = error }
      }
    }
    return contacts.isEmpty ? failure : nil
  }

  // What is asked of others.

  /// Asks a peer for a sign of life; the time is that of the way there and back.
  ///
  /// - Throws: ``SwarmError``, also for a peer whose clock is off by more than three seconds.
  @discardableResult
  package func ping(_ other: PeerID) async throws -> Duration {
    var request = SwarmPingRequest()
    request.peer = info
    let (time, before) = (Stopwatch(peer.clock), now)
    let response = try SwarmPingResponse(
      serializedBytes: try await call(other, "rpc_ping", request))
    let elapsed = time.elapsed
    if response.dhtTime != 0 {
      guard response.dhtTime >= before - Self.clockTolerance,
        response.dhtTime <= now + Self.clockTolerance
      else {
        throw SwarmError(
          .clocksDiffer,
          "its clock says \(response.dhtTime), this one \(before), and 3 s are the most: set the clocks",
          peer: other)
      }
    }
    heard(from: other, response.peer)
    return elapsed
  }

  /// Asks a node for records, and for the nodes it knows near them.
  ///
  /// Keys whose records are too long for one answer are asked for in parts. All of it has twice the time
  /// of a call, however often the node refuses.
  ///
  /// - Returns: For each key what the node says; nil where it refuses, or the time is over before.
  /// - Throws: ``SwarmError`` where it answers for none.
  func find(_ keys: [DHTID], at contact: DHTContact) async throws -> [SwarmFindResult?] {
    let (limit, time) = (peer.configuration.callTimeout * 2, Stopwatch(peer.clock))
    var results = [SwarmFindResult?](repeating: nil, count: keys.count)
    var failure = SwarmError(
      .timedOut, "no answer to rpc_find within \(limit)", peer: contact.peer)
    // In an order by chance: what is late for one node is early for another.
    var ranges = stride(from: 0, to: keys.count, by: Self.keysPerRequest).map {
      $0..<min(keys.count, $0 + Self.keysPerRequest)
    }.shuffled()
    while let range = ranges.popLast() {
      let rest = limit - time.elapsed
      guard rest > .zero else { break }
      do {
        let found = try await find(
          keys[range], at: contact, within: min(rest, peer.configuration.callTimeout))
        for (index, result) in zip(range, found) { results[index] = result }
      } catch let error as SwarmError where error.code == .refused || error.code == .timedOut {
        failure = error
        guard error.code == .refused else { break }
        guard error.isOfLongAnswer, range.count > 1 else { continue }
        let middle = range.lowerBound + range.count / 2
        ranges += [middle..<range.upperBound, range.lowerBound..<middle]
      }
    }
    guard results.contains(where: { $0 != nil }) else { throw failure }
    return results
  }

  private func find(
    _ keys: ArraySlice<DHTID>, at contact: DHTContact, within limit: Duration
  ) async throws -> [SwarmFindResult] {
    var request = SwarmFindRequest()
    request.peer = info
    request.keys = keys.map { Data($0.bytes) }
    let response = try SwarmFindResponse(
      serializedBytes: try await call(contact.peer, "rpc_find", request, within: limit))
    guard response.results.count == keys.count else {
      throw SwarmError(
        .malformed, "\(response.results.count) results for \(keys.count) keys", peer: contact.peer)
    }
    heard(from: contact.peer, response.peer)
    return response.results
  }

  /// Asks a node to keep values.
  ///
  /// - Returns: For each whether it does.
  /// - Throws: ``SwarmError``.
  func store(_ entries: [DHTEntry], at contact: DHTContact) async throws -> [Bool] {
    var kept: [Bool] = []
    for start in stride(from: 0, to: entries.count, by: Self.entriesPerRequest) {
      kept += try await store(
        entries[start..<min(entries.count, start + Self.entriesPerRequest)], at: contact)
    }
    return kept
  }

  private func store(
    _ entries: ArraySlice<DHTEntry>, at contact: DHTContact
  ) async throws -> [Bool] {
    var request = SwarmStoreRequest()
    request.peer = info
    for entry in entries {
      request.keys.append(Data(entry.key.bytes))
      request.subkeys.append(Data((entry.subkey ?? .null).encoded))
      request.values.append(Data(entry.value.bytes))
      request.expirationTime.append(entry.value.expiration)
      request.inCache.append(false)
    }
    let response = try SwarmStoreResponse(
      serializedBytes: try await call(contact.peer, "rpc_store", request))
    guard response.storeOk.count == entries.count else {
      throw SwarmError(
        .malformed, "\(response.storeOk.count) answers for \(entries.count) values",
        peer: contact.peer)
    }
    heard(from: contact.peer, response.peer)
    return response.storeOk
  }

  private func call(
    _ other: PeerID, _ name: String, _ request: some Message, within limit: Duration? = nil
  ) async throws -> [UInt8] {
    do {
      return try await peer.call(
        other, "DHTProtocol.\(name)", try request.serializedBytes(), within: limit)
    } catch let error as SwarmError where error.code != .refused {
      forget(other)
      throw error
    }
  }

  // What is known here.

  /// What others are told of this node; nothing for a client, which they are not to ask.
  private var info: SwarmNodeInfo {
    var info = SwarmNodeInfo()
    if peer.configuration.membership == .full { info.nodeID = Data(id.bytes) }
    return info
  }

  private func heard(from other: PeerID, _ info: SwarmNodeInfo) {
    guard other != peer.id, let id = DHTID(bytes: info.nodeID), id != self.id else { return }
    state.withLock { state in
      // The one that was heard of longest ago gives way when it is asked and does not answer.
      _ = state.table.add(DHTContact(id: id, peer: other))
    }
  }

  func forget(_ other: PeerID) { state.withLock { $0.table.remove(other) } }

  func nearest(_ key: DHTID) -> [DHTContact] { state.withLock { $0.table.nearest(key) } }

  func localRecord(_ key: DHTID) -> DHTRecord? {
    state.withLock { [now] in $0.storage.record(key, at: now) }
  }

  /// Keeps a value for a peer; nil for this one itself.
  func keep(_ entry: DHTEntry, from other: PeerID? = nil) -> Bool {
    state.withLock { [now] in
      $0.storage.store(
        entry.value, under: entry.key, subkey: entry.subkey, from: other ?? peer.id, at: now)
    }
  }

  // What others ask.

  private func answer<Request: Message, Response: Message>(
    _ name: String, _ handler: @escaping @Sendable (PeerID, Request) throws -> Response
  ) async throws {
    try await peer.handle("DHTProtocol.\(name)") { other, bytes in
      try handler(other, try Request(serializedBytes: bytes)).serializedBytes()
    }
  }

  private func ping(_ other: PeerID, _ request: SwarmPingRequest) -> SwarmPingResponse {
    heard(from: other, request.peer)
    var response = SwarmPingResponse()
    response.peer = info
    response.dhtTime = now
    // Its call came through the same libp2p connection that an answer to a call of ours would take.
    response.available = request.validate
    return response
  }

  private func store(
    _ other: PeerID, _ request: SwarmStoreRequest
  ) throws -> SwarmStoreResponse {
    heard(from: other, request.peer)
    let count = request.keys.count
    guard request.subkeys.count == count, request.values.count == count,
      request.expirationTime.count == count
    else { throw SwarmMessageError("a store request", "its lists differ in length") }
    var response = SwarmStoreResponse()
    response.peer = info
    for index in 0..<count {
      response.storeOk.append(
        try store(
          key: request.keys[index], subkey: request.subkeys[index], value: request.values[index],
          until: request.expirationTime[index], from: other))
    }
    return response
  }

  private func store(
    key: Data, subkey: Data, value: Data, until expiration: Double, from other: PeerID
  ) throws -> Bool {
    guard let key = DHTID(bytes: key) else {
      throw SwarmMessageError("a store request", "a key has \(key.count) bytes, not 20")
    }
    // No subkey at all: a whole dictionary.
    if subkey.isEmpty {
      let dictionary = try DHTDictionary(try MessagePackValue(decoding: value))
      return dictionary.values.map { subkey, value in
        keep(DHTEntry(key: key, subkey: subkey, value: value), from: other)
      }.allSatisfy { $0 }
    }
    let name = try MessagePackValue(decoding: subkey)
    return keep(
      DHTEntry(
        key: key, subkey: name == .null ? nil : name,
        value: DHTValue(Array(value), until: expiration)), from: other)
  }

  private func find(_ other: PeerID, _ request: SwarmFindRequest) throws -> SwarmFindResponse {
    heard(from: other, request.peer)
    var response = SwarmFindResponse()
    response.peer = info
    for bytes in request.keys {
      guard let key = DHTID(bytes: bytes) else {
        throw SwarmMessageError("a find request", "a key has \(bytes.count) bytes, not 20")
      }
      var result = SwarmFindResult()
      switch localRecord(key) {
      case .value(let value):
        result.type = .foundRegular
        result.value = Data(value.bytes)
        result.expirationTime = value.expiration
      case .dictionary(let dictionary):
        result.type = .foundDictionary
        result.value = Data(dictionary.message.encoded)
        result.expirationTime = dictionary.latestExpiration
      case nil: break
      }
      for contact in nearest(key) where contact.peer != other {
        result.nearestNodeIds.append(Data(contact.id.bytes))
        result.nearestPeerIds.append(Data(contact.peer.bytes))
      }
      response.results.append(result)
    }
    return response
  }
}

/// A value on its way into the hash table.
package struct DHTEntry: Hashable, Sendable {
  /// The record's place.
  package let key: DHTID
  /// The value's name within the record; nil for the record's only value.
  package let subkey: MessagePackValue?
  /// The value.
  package let value: DHTValue

  package init(key: DHTID, subkey: MessagePackValue?, value: DHTValue) {
    self.key = key
    self.subkey = subkey
    self.value = value
  }
}
