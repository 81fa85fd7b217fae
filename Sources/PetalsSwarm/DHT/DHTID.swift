import Crypto

/// A place in the hash table: of a record, or of a node that keeps records near it.
///
/// Twenty bytes; that of a record is the SHA-1 of its key in msgpack. Two are as far apart as their
/// exclusive or, taken as a number, is large (Maymounkov and Mazières, "Kademlia", 2002).
package struct DHTID: Hashable, Sendable, CustomStringConvertible {
  /// Its length.
  package static let byteCount = 20

  /// The bytes, the most significant one first.
  package let bytes: [UInt8]

  /// The place of a record.
  package init(of key: MessagePackValue) {
    bytes = Array(Insecure.SHA1.hash(data: key.encoded))
  }

  /// A place from its bytes; nil unless there are twenty.
  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = Array(bytes)
  }

  /// Any place, by chance.
  package static func random() -> DHTID {
    DHTID(unchecked: (0..<byteCount).map { _ in UInt8.random(in: .min ... .max) })
  }

  private init(unchecked bytes: [UInt8]) { self.bytes = bytes }

  /// Hexadecimal.
  package var description: String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// Whether this place is nearer to `target` than `other` is.
  package func isNearer(to target: DHTID, than other: DHTID) -> Bool {
    for index in bytes.indices {
      let (own, others) = (
        bytes[index] ^ target.bytes[index], other.bytes[index] ^ target.bytes[index]
      )
      if own != others { return own < others }
    }
    return false
  }

  /// Leading bits that both have.
  func commonPrefix(with other: DHTID) -> Int {
    for index in bytes.indices where bytes[index] != other.bytes[index] {
      return 8 * index + (bytes[index] ^ other.bytes[index]).leadingZeroBitCount
    }
    return 8 * Self.byteCount
  }
}

/// A node of the hash table.
package struct DHTContact: Hashable, Sendable {
  /// Its place.
  package let id: DHTID
  /// The peer.
  package let peer: PeerID

  package init(id: DHTID, peer: PeerID) {
    self.id = id
    self.peer = peer
  }
}

/// The nodes that a node knows: most of those near to it, a few of those far away.
struct DHTRoutingTable: Sendable {
  /// Most nodes with as many leading bits in common with this one (k).
  static let bucketSize = 20

  let own: DHTID
  /// By the number of leading bits in common; of each, the node that was heard of last comes last.
  private var buckets: [[DHTContact]] = Array(repeating: [], count: 8 * DHTID.byteCount)

  init(own: DHTID) { self.own = own }

  var contacts: [DHTContact] { buckets.flatMap { $0 } }

  /// A node gave a sign of life.
  ///
  /// - Returns: Where its bucket is full, the node that was heard of longest ago: it stays if it
  ///   answers, and ``remove(_:)`` makes room if not.
  mutating func add(_ contact: DHTContact) -> DHTContact? {
    let index = own.commonPrefix(with: contact.id)
    guard buckets.indices.contains(index) else { return nil }
    // A peer that begins again has another place.
    remove(contact.peer)
    guard buckets[index].count < Self.bucketSize else { return buckets[index].first }
    buckets[index].append(contact)
    return nil
  }

  /// A node did not answer.
  mutating func remove(_ peer: PeerID) {
    for index in buckets.indices where !buckets[index].isEmpty {
      buckets[index].removeAll { $0.peer == peer }
    }
  }

  /// The known nodes nearest to a place, nearest first.
  func nearest(_ target: DHTID, _ count: Int = bucketSize) -> [DHTContact] {
    Array(contacts.sorted { $0.id.isNearer(to: target, than: $1.id) }.prefix(count))
  }
}
