/// What is kept under a key: a value, or values under further keys; each with the time, in seconds of
/// the Unix epoch, after which it is void.
package enum DHTRecord: Hashable, Sendable {
  /// One value.
  case value(DHTValue)
  /// Values under subkeys.
  case dictionary(DHTDictionary)

  /// No value of it is void before.
  var earliestExpiration: Double {
    switch self {
    case .value(let value): value.expiration
    case .dictionary(let dictionary): dictionary.earliestExpiration
    }
  }

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
  package private(set) var byteCount = overhead
  /// When the last of them is void.
  package private(set) var latestExpiration = -Double.infinity
  /// No value is void before.
  private(set) var earliestExpiration = Double.infinity

  /// No values.
  package init() {}

  /// Whether both have the same values: what they take in memory, and when they were looked through, is
  /// theirs alone.
  package static func == (one: DHTDictionary, other: DHTDictionary) -> Bool {
    one.values == other.values && one.latestExpiration == other.latestExpiration
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(values)
    hasher.combine(latestExpiration)
  }

  /// Puts a value under a subkey, unless a later one is there.
  package mutating func store(_ value: DHTValue, under subkey: MessagePackValue) -> Bool {
    latestExpiration = max(latestExpiration, value.expiration)
    if let old = values[subkey], old.expiration >= value.expiration { return old == value }
    byteCount = byteCount(with: value, under: subkey)
    values[subkey] = value
    earliestExpiration = min(earliestExpiration, value.expiration)
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
    guard earliestExpiration <= now else { return }
    values = values.filter { $0.value.expiration > now }
    byteCount = values.reduce(Self.overhead) { $0 + Self.size($1.key, $1.value) }
    earliestExpiration = values.values.reduce(.infinity) { min($0, $1.expiration) }
  }

  /// What all of it would take with a value under a subkey.
  func byteCount(with value: DHTValue, under subkey: MessagePackValue) -> Int {
    byteCount + Self.size(subkey, value) - (values[subkey].map { Self.size(subkey, $0) } ?? 0)
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
package struct DHTStorage: Sendable {
  /// Most bytes of all records together, those of their keys included.
  static let byteLimit = 64 << 20
  /// Most bytes of one record: an answer holds what is under its key, and has 4 MiB at most.
  package static let recordLimit = 1 << 20
  /// For how long a value may hold, in seconds.
  ///
  /// One for ever would take its room for ever; Petals' servers announce themselves for some minutes.
  package static let longestLife = 3600.0
  /// Most bytes of one value: a server's has some hundred, with its times to others some thousand.
  package static let valueLimit = 16 << 10

  private var records: [DHTID: DHTRecord] = [:]
  /// What all records take in memory, in bytes.
  package private(set) var byteCount = 0
  /// No value is void before.
  private var earliestExpiration = Double.infinity

  /// No records.
  package init() {}

  /// Keys that have a record.
  package var count: Int { records.count }

  /// The record under a key, without what is void.
  package func record(_ key: DHTID, at now: Double) -> DHTRecord? {
    switch records[key] {
    case .value(let value): return value.expiration > now ? .value(value) : nil
    case .dictionary(var dictionary):
      dictionary.expire(at: now)
      return dictionary.values.isEmpty ? nil : .dictionary(dictionary)
    case nil: return nil
    }
  }

  /// Keeps a value, unless it is void, holds for too long, is too long, a later one is there, or there is
  /// no room.
  ///
  /// - Parameter subkey: Nil for the record's only value.
  package mutating func store(
    _ value: DHTValue, under key: DHTID, subkey: MessagePackValue?, at now: Double
  ) -> Bool {
    guard value.expiration > now, value.expiration <= now + Self.longestLife,
      value.bytes.count <= Self.valueLimit
    else { return false }
    let size = value.bytes.count + (subkey?.encoded.count ?? 0) + DHTDictionary.overhead
    if byteCount + size > Self.byteLimit { expire(at: now) }
    guard byteCount + size <= Self.byteLimit else { return false }
    // Taken out and put back: a dictionary of thousands is changed in its place, not copied.
    var record = records.removeValue(forKey: key)
    byteCount -= record.map(Self.size) ?? 0
    let isKept = Self.put(value, subkey, into: &record, at: now)
    byteCount += record.map(Self.size) ?? 0
    records[key] = record
    if isKept { earliestExpiration = min(earliestExpiration, value.expiration) }
    return isKept
  }

  private static func put(
    _ value: DHTValue, _ subkey: MessagePackValue?, into record: inout DHTRecord?, at now: Double
  ) -> Bool {
    if let subkey, case .dictionary(var dictionary) = record {
      record = nil
      defer { record = .dictionary(dictionary) }
      // What is void makes room first.
      if dictionary.byteCount(with: value, under: subkey) > recordLimit {
        dictionary.expire(at: now)
      }
      guard dictionary.byteCount(with: value, under: subkey) <= recordLimit else { return false }
      return dictionary.store(value, under: subkey)
    }
    if let old = record, old.expiration >= value.expiration {
      return old == .value(value) && subkey == nil
    }
    var new = DHTRecord.value(value)
    if let subkey {
      var dictionary = DHTDictionary()
      _ = dictionary.store(value, under: subkey)
      new = .dictionary(dictionary)
    }
    guard size(new) <= recordLimit else { return false }
    record = new
    return true
  }

  /// Forgets what is void.
  package mutating func expire(at now: Double) {
    guard earliestExpiration <= now else { return }
    for key in Array(records.keys) { records[key] = record(key, at: now) }
    byteCount = records.values.reduce(0) { $0 + Self.size($1) }
    earliestExpiration = records.values.reduce(.infinity) { min($0, $1.earliestExpiration) }
  }

  private static func size(_ record: DHTRecord) -> Int {
    switch record {
    case .value(let value): value.bytes.count + DHTDictionary.overhead
    case .dictionary(let dictionary): dictionary.byteCount
    }
  }
}
