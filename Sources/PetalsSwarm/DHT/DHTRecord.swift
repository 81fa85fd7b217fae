/// What is kept under a key: a value, or values under further keys; each with the time, in seconds of
/// the Unix epoch, after which it is void.
package enum DHTRecord: Hashable, Sendable {
  /// One value.
  case value(DHTValue)
  /// Values under subkeys.
  case dictionary(DHTDictionary)

  /// When all of it is void.
  package var expiration: Double {
    switch self {
    case .value(let value): value.expiration
    case .dictionary(let dictionary): dictionary.latestExpiration
    }
  }
}

/// A value, in msgpack, and when it is void.
package struct DHTValue: Hashable, Sendable {
  /// The value's bytes.
  package let bytes: [UInt8]
  /// In seconds of the Unix epoch.
  package let expiration: Double

  /// A value that is void after a time.
  package init(_ bytes: [UInt8], until expiration: Double) {
    self.bytes = bytes
    self.expiration = expiration
  }

  /// The value.
  ///
  /// - Throws: ``MessagePackError``.
  package var decoded: MessagePackValue {
    get throws(MessagePackError) { try MessagePackValue(decoding: bytes) }
  }
}

/// Values under subkeys, an extension of type 0x50 in msgpack (hivemind's `DictionaryDHTValue`).
package struct DHTDictionary: Hashable, Sendable {
  static let type: Int8 = 0x50
  /// What a record, or an entry of one, takes in memory beside its subkey and its value, in bytes.
  static let overhead = 128

  /// The values.
  package private(set) var values: [MessagePackValue: DHTValue] = [:]
  /// What all of it takes in memory, in bytes.
  private(set) var byteCount = overhead
  /// When the last of them is void.
  package private(set) var latestExpiration = -Double.infinity

  /// No values.
  package init() {}

  /// Puts a value under a subkey, unless a later one is there.
  package mutating func store(_ value: DHTValue, under subkey: MessagePackValue) -> Bool {
    latestExpiration = max(latestExpiration, value.expiration)
    if let old = values[subkey], old.expiration >= value.expiration { return old == value }
    let old = values.updateValue(value, forKey: subkey)
    byteCount += Self.size(subkey, value) - (old.map { Self.size(subkey, $0) } ?? 0)
    return true
  }

  private static func size(_ subkey: MessagePackValue, _ value: DHTValue) -> Int {
    subkey.encoded.count + value.bytes.count + overhead
  }

  /// Takes the later of each value.
  package mutating func merge(_ other: DHTDictionary) {
    for (subkey, value) in other.values { _ = store(value, under: subkey) }
  }

  /// Forgets what is void.
  mutating func expire(at now: Double) {
    values = values.filter { $0.value.expiration > now }
    byteCount = values.reduce(Self.overhead) { $0 + Self.size($1.key, $1.value) }
  }

  /// The value for a message: an endless limit of its size, the time, and each subkey, value and time.
  package var message: MessagePackValue {
    let entries = values.map { subkey, value in
      (
        subkey.encoded,
        MessagePackValue.list([subkey, .bytes(value.bytes), .double(value.expiration)])
      )
    }
    let ordered = entries.sorted { $0.0.lexicographicallyPrecedes($1.0) }.map(\.1)
    let payload = MessagePackValue.list([
      .double(.infinity), .double(latestExpiration), .list(ordered),
    ])
    return .extension(type: Self.type, payload: payload.encoded)
  }

  /// Reads a dictionary.
  ///
  /// - Throws: ``SwarmMessageError``.
  package init(_ message: MessagePackValue) throws(SwarmMessageError) {
    let what = "a dictionary of the hash table"
    guard case .extension(Self.type, let payload) = message else {
      throw SwarmMessageError(what, "it is no extension of type \(Self.type)")
    }
    let fields: MessagePackValue
    do {
      fields = try MessagePackValue(decoding: payload)
    } catch {
      throw SwarmMessageError(what, "\(error)")
    }
    guard let parts = fields.elements, parts.count == 3, let latest = parts[1].number,
      let entries = parts[2].elements
    else { throw SwarmMessageError(what, "a size, a time and a list are expected") }
    for entry in entries {
      guard let parts = entry.elements, parts.count == 3, case .bytes(let bytes) = parts[1],
        let expiration = parts[2].number
      else { throw SwarmMessageError(what, "an entry is a subkey, bytes and a time") }
      _ = store(DHTValue(bytes, until: expiration), under: parts[0])
    }
    latestExpiration = latest
  }
}

/// The records that a node keeps for the swarm, up to limits that no peer can exceed.
struct DHTStorage: Sendable {
  /// Most bytes of all records together, those of their keys included.
  static let byteLimit = 64 << 20
  /// Most bytes of one record: an answer holds what is under its key, and has 4 MiB at most.
  static let recordLimit = 1 << 20

  private var records: [DHTID: DHTRecord] = [:]
  private(set) var byteCount = 0

  var count: Int { records.count }

  /// The record under a key, without what is void.
  func record(_ key: DHTID, at now: Double) -> DHTRecord? {
    switch records[key] {
    case .value(let value): return value.expiration > now ? .value(value) : nil
    case .dictionary(var dictionary):
      dictionary.expire(at: now)
      return dictionary.values.isEmpty ? nil : .dictionary(dictionary)
    case nil: return nil
    }
  }

  /// Keeps a value, unless it is void, a later one is there, or there is no room.
  ///
  /// - Parameter subkey: Nil for the record's only value.
  mutating func store(
    _ value: DHTValue, under key: DHTID, subkey: MessagePackValue?, at now: Double
  ) -> Bool {
    guard value.expiration > now, value.expiration.isFinite else { return false }
    let size = value.bytes.count + (subkey?.encoded.count ?? 0) + DHTDictionary.overhead
    if byteCount + size > Self.byteLimit { expire(at: now) }
    guard byteCount + size <= Self.byteLimit else { return false }
    let old = records[key]
    let new: DHTRecord
    switch (old, subkey) {
    case (.dictionary(var dictionary), let subkey?):
      // What is void makes room first.
      if dictionary.byteCount + size > Self.recordLimit { dictionary.expire(at: now) }
      guard dictionary.store(value, under: subkey) else { return false }
      new = .dictionary(dictionary)
    case (let old?, _) where old.expiration >= value.expiration:
      return old == .value(value) && subkey == nil
    case (_, let subkey?):
      var dictionary = DHTDictionary()
      _ = dictionary.store(value, under: subkey)
      new = .dictionary(dictionary)
    case (_, nil): new = .value(value)
    }
    guard Self.size(new) <= Self.recordLimit else { return false }
    records[key] = new
    byteCount += Self.size(new) - (old.map(Self.size) ?? 0)
    return true
  }

  /// Forgets what is void.
  mutating func expire(at now: Double) {
    for key in Array(records.keys) { records[key] = record(key, at: now) }
    byteCount = records.values.reduce(0) { $0 + Self.size($1) }
  }

  private static func size(_ record: DHTRecord) -> Int {
    switch record {
    case .value(let value): value.bytes.count + DHTDictionary.overhead
    case .dictionary(let dictionary): dictionary.byteCount
    }
  }
}
