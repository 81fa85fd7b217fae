import EthereumPrimitives

/// The filter of 2048 bits over the addresses and topics of logs (yellow paper, §4.4.1).
package struct LogsBloom: Hashable, Sendable {
  /// 256 bytes, the highest bits first.
  package private(set) var bytes: [UInt8]

  /// Most blooms are empty: they share one array.
  private static let noBits = [UInt8](repeating: 0, count: 256)

  package init() { bytes = Self.noBits }

  /// The filter of a header.
  init(bytes: [UInt8]) {
    precondition(bytes.count == 256, "a bloom has 256 bytes, not \(bytes.count)")
    self.bytes = bytes
  }

  package init(_ logs: [LogEntry]) {
    self.init()
    for log in logs {
      insert(log.address.bytes)
      for topic in log.topics { insert(topic.bytes) }
    }
  }

  /// Sets the three bits of an entry.
  package mutating func insert(_ entry: [UInt8]) {
    for bit in Self.bits(of: entry) { bytes[255 - bit / 8] |= 1 << UInt8(bit % 8) }
  }

  /// Whether an entry may be in; false is certain.
  package func mayContain(_ entry: [UInt8]) -> Bool {
    Self.bits(of: entry).allSatisfy { bytes[255 - $0 / 8] & 1 << UInt8($0 % 8) != 0 }
  }

  mutating func formUnion(_ other: LogsBloom) {
    for index in bytes.indices { bytes[index] |= other.bytes[index] }
  }

  /// The low eleven bits of the hash's first three pairs of bytes.
  private static func bits(of entry: [UInt8]) -> [Int] {
    let digest = Keccak256.hash(entry).bytes
    return [0, 2, 4].map { (Int(digest[$0]) << 8 | Int(digest[$0 + 1])) & 2047 }
  }
}
