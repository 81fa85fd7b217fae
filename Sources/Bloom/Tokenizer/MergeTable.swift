/// Which pairs of adjacent tokens become one, and in what order of preference.
struct MergeTable: Sendable {
  struct Merge: Sendable {
    /// Lower is preferred.
    let rank: Int32
    let result: Int32
  }

  /// Left id in the upper half, right id in the lower; no pair of ids has all bits set.
  private var keys: [UInt64]
  private var merges: [Merge]
  private var count = 0

  private static let free = UInt64.max

  init(capacity: Int) {
    var size = 64
    while size < capacity * 2 { size *= 2 }
    keys = [UInt64](repeating: Self.free, count: size)
    merges = [Merge](repeating: Merge(rank: 0, result: 0), count: size)
  }

  /// Adds a pair after those there are; of equals the last one counts, with its place.
  mutating func append(_ left: Int32, _ right: Int32, result: Int32) {
    if (count + 1) * 2 > keys.count { grow() }
    let key = Self.key(left, right)
    let slot = slot(of: key)
    keys[slot] = key
    merges[slot] = Merge(rank: Int32(count), result: result)
    count += 1
  }

  subscript(left: Int32, right: Int32) -> Merge? {
    let slot = slot(of: Self.key(left, right))
    return keys[slot] == Self.free ? nil : merges[slot]
  }

  private func slot(of key: UInt64) -> Int {
    let mask = keys.count - 1
    var mixed = key &* 0x9e37_79b9_7f4a_7c15
    mixed ^= mixed >> 32
    var slot = Int(truncatingIfNeeded: mixed) & mask
    while keys[slot] != Self.free, keys[slot] != key { slot = (slot + 1) & mask }
    return slot
  }

  private mutating func grow() {
    var larger = MergeTable(capacity: keys.count)
    for (key, merge) in zip(keys, merges) where key != Self.free {
      let slot = larger.slot(of: key)
      larger.keys[slot] = key
      larger.merges[slot] = merge
    }
    larger.count = count
    self = larger
  }

  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }
}
