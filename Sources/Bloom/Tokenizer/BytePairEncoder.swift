/// Joins the bytes of a word into tokens, the preferred pair first.
struct BytePairEncoder: Sendable {
  /// What stands for one byte before anything is joined.
  enum Start: Hashable, Sendable {
    /// Tokens of its own: one, or the `<0x…>` tokens of its character.
    case tokens([Int32], isFallback: Bool)
    /// The file's `unk_token`.
    case unknown(Int32)
    /// Nothing: the byte is left out.
    case nothing
  }

  let starts: [Start]
  let merges: MergeTable
  /// Whether unknown bytes next to each other become one token.
  let fusesUnknown: Bool

  /// A pair that may be joined; preferred by rank, then from the left.
  private struct Candidate: Comparable {
    let rank: Int32
    let left: Int32
    let result: Int32

    static func < (a: Candidate, b: Candidate) -> Bool {
      (a.rank, a.left) < (b.rank, b.left)
    }
  }

  /// Appends the tokens of one word.
  func encode(_ word: some Sequence<UInt8>, into ids: inout [Int32]) {
    var tokens = initialTokens(word)
    guard tokens.count > 1 else {
      ids.append(contentsOf: tokens)
      return
    }
    // A list of neighbours: joining removes the right one. -1 ends it, and marks what was removed.
    var next = (0..<Int32(tokens.count)).map { $0 + 1 < tokens.count ? $0 + 1 : -1 }
    var previous = (0..<Int32(tokens.count)).map { $0 - 1 }
    var queue = PriorityQueue<Candidate>()
    func enqueue(_ left: Int32) {
      guard left >= 0, next[Int(left)] >= 0 else { return }
      let a = tokens[Int(left)]
      let b = tokens[Int(next[Int(left)])]
      if let merge = merges[a, b] {
        queue.insert(Candidate(rank: merge.rank, left: left, result: merge.result))
      }
    }
    for left in 0..<Int32(tokens.count) { enqueue(left) }
    while let candidate = queue.removeSmallest() {
      let left = Int(candidate.left)
      // What stands there now may be another pair than the one that was found; it is joined all the
      // same when it makes the same token, as tokenizers does.
      guard tokens[left] >= 0, case let right = Int(next[left]), right >= 0,
        merges[tokens[left], tokens[right]]?.result == candidate.result
      else { continue }
      tokens[left] = candidate.result
      tokens[right] = -1
      next[left] = next[right]
      if next[left] >= 0 { previous[Int(next[left])] = candidate.left }
      enqueue(previous[left])
      enqueue(candidate.left)
    }
    ids.append(contentsOf: tokens.lazy.filter { $0 >= 0 })
  }

  private func initialTokens(_ word: some Sequence<UInt8>) -> [Int32] {
    var tokens: [Int32] = []
    // An unknown byte's token waits for the next one that it may fuse with, or that ends it.
    var unknown: Int32?
    for byte in word {
      switch starts[Int(byte)] {
      case .tokens(let own, let isFallback):
        if !isFallback, let id = unknown {
          tokens.append(id)
          unknown = nil
        }
        tokens.append(contentsOf: own)
      case .unknown(let id):
        if let id = unknown, !fusesUnknown { tokens.append(id) }
        unknown = id
      case .nothing: break
      }
    }
    if let id = unknown { tokens.append(id) }
    return tokens
  }
}

/// A binary heap.
private struct PriorityQueue<Element: Comparable> {
  private var heap: [Element] = []

  mutating func insert(_ element: Element) {
    heap.append(element)
    var child = heap.count - 1
    while child > 0, heap[child] < heap[(child - 1) / 2] {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func removeSmallest() -> Element? {
    guard let smallest = heap.first, let last = heap.popLast() else { return nil }
    guard !heap.isEmpty else { return smallest }
    heap[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
        if heap[child] < heap[least] { least = child }
      }
      if least == parent { return smallest }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}

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
