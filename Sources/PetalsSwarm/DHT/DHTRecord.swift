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

  /// The values.
  package private(set) var values: [MessagePackValue: DHTValue] = [:]
  /// When the last of them is void.
  package private(set) var latestExpiration = -Double.infinity

  /// No values.
  package init() {}

  /// Puts a value under a subkey, unless a later one is there.
  package mutating func store(_ value: DHTValue, under subkey: MessagePackValue) -> Bool {
    latestExpiration = max(latestExpiration, value.expiration)
    if let old = values[subkey], old.expiration >= value.expiration { return old == value }
    values[subkey] = value
    return true
  }

  /// Takes the later of each value.
  package mutating func merge(_ other: DHTDictionary) {
    for (subkey, value) in other.values { _ = store(value, under: subkey) }
  }

  /// Forgets what is void.
  mutating func expire(at now: Double) {
    values = values.filter { $0.value.expiration > now }
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
