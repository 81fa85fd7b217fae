import EthereumPrimitives

/// A table from hashes to numbers that keeps 64 bits of each hash: a long chain has one for every
/// block and every transaction.
///
/// What is found has to be compared with the hash that was asked for, since two may agree in what
/// is kept.
struct HashIndex {
  private var places: [UInt64: UInt64] = [:]
  /// Hashes that agree with an earlier one in what is kept of it.
  private var rivals: [Hash32: UInt64] = [:]

  private static func key(_ hash: Hash32) -> UInt64 { UInt64(truncatingIfNeeded: hash.word.low) }

  /// The number of a hash, or of another one that looks alike; nil when there is neither.
  subscript(hash: Hash32) -> UInt64? { rivals[hash] ?? places[Self.key(hash)] }

  mutating func insert(_ hash: Hash32, _ number: UInt64) {
    if places[Self.key(hash)] == nil {
      places[Self.key(hash)] = number
    } else {
      rivals[hash] = number
    }
  }

  /// Takes out a hash that is in.
  mutating func remove(_ hash: Hash32) {
    if rivals.removeValue(forKey: hash) == nil { places[Self.key(hash)] = nil }
  }
}
