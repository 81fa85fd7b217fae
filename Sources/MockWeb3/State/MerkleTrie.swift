package import EthereumPrimitives

/// A Merkle-Patricia trie (yellow paper, appendix D) whose copies share their nodes.
///
/// A copy costs one reference, so that every block, snapshot and attempted transaction can have a
/// state of its own. The root is computed on demand, from the nodes that changed since.
package struct MerkleTrie<Value: TrieValue> {
  private var root: TrieNode<Value>?

  package init() {}

  /// The root of a trie that holds nothing: keccak256 of the empty string's RLP.
  package static var emptyRoot: Hash32 { emptyTrieRoot }

  /// The value of a key; setting nil removes it.
  package subscript(key: [UInt8]) -> Value? {
    get { root?.value(at: Nibbles.of(key)) }
    set { self[path: Nibbles.of(key)] = newValue }
  }

  /// The value at the half-bytes of a key; setting nil removes it.
  subscript(path path: [UInt8]) -> Value? {
    get { root?.value(at: path) }
    set {
      if let newValue {
        TrieNode.insert(newValue, at: path[...], into: &root)
      } else {
        root = root?.removing(at: path[...])
      }
    }
  }

  /// The RLP of the nodes from the root to a key, or to where the key would be; nodes that are part of
  /// their parents are left out (go-ethereum's `Trie.Prove`).
  package func proof(of key: [UInt8]) -> [[UInt8]] {
    root?.proof(of: Nibbles.of(key)[...]) ?? []
  }

  /// Whether nothing is stored.
  package var isEmpty: Bool { root == nil }

  /// The hash that commits to every key and value.
  package var rootHash: Hash32 { root?.hash ?? emptyTrieRoot }
}

extension MerkleTrie where Value == [UInt8] {
  /// The root over a list, keyed by the RLP of each position: transactions and receipts.
  package static func root(ofList items: [[UInt8]]) -> Hash32 {
    guard items.count != 1 else { return root(ofOne: items[0]) }
    var trie = MerkleTrie()
    for (index, item) in items.enumerated() {
      var key = RLPWriter(capacity: 9)
      key.append(UInt64(index))
      trie[key.bytes] = item
    }
    return trie.rootHash
  }

  /// The root over one item, most blocks' case: a leaf with the whole key, the RLP of 0, as its
  /// path.
  private static func root(ofOne item: [UInt8]) -> Hash32 {
    var leaf = RLPWriter(capacity: item.count + 16)
    leaf.append([0x20, 0x80])
    leaf.append(item)
    return leaf.listHash()
  }
}

private let emptyTrieRoot = Keccak256.hash([0x80])

/// A value of a trie, with its encoding.
package protocol TrieValue {
  /// The bytes that the trie commits to; never empty.
  var trieBytes: [UInt8] { get }
}

extension [UInt8]: TrieValue {
  package var trieBytes: [UInt8] { self }
}

/// What a parent holds for a node: its hash, or its RLP when that is shorter than a hash.
enum TrieReference {
  case hash(Hash32)
  case embedded([UInt8])

  func write(into writer: inout RLPWriter) {
    switch self {
    case .hash(let hash): writer.append(hash)
    case .embedded(let bytes): writer.append(encoded: bytes)
    }
  }
}

/// A node of a Merkle-Patricia trie; tries share nodes, and change only those that no other has.
///
/// Not Sendable: the reference is kept after it was first computed, and a trie has one owner.
final class TrieNode<Value: TrieValue> {
  enum Content {
    /// The rest of one key, and its value.
    case leaf(path: [UInt8], value: Value)
    /// A stretch that all keys below have in common.
    case `extension`(path: [UInt8], child: TrieNode)
    /// One child for each half-byte, and the value of the key that ends here.
    case branch(children: [TrieNode?], value: Value?)
  }

  private(set) var content: Content
  private var cachedReference: TrieReference?

  init(_ content: Content) { self.content = content }

  /// The items of the node's RLP list.
  private var items: RLPWriter {
    switch content {
    case .leaf(let path, let value):
      var writer = RLPWriter(capacity: 160)
      writer.append(Nibbles.hexPrefix(path[...], isLeaf: true))
      writer.append(value.trieBytes)
      return writer
    case .extension(let path, let child):
      var writer = RLPWriter(capacity: 80)
      writer.append(Nibbles.hexPrefix(path[...], isLeaf: false))
      child.reference.write(into: &writer)
      return writer
    case .branch(let children, let value):
      var writer = RLPWriter(capacity: 540)
      for child in children {
        if let child { child.reference.write(into: &writer) } else { writer.append(0 as UInt64) }
      }
      writer.append(value?.trieBytes ?? [])
      return writer
    }
  }

  /// keccak256 of the node's RLP, however short that is: what a root is known by.
  var hash: Hash32 {
    if case .hash(let hash) = reference { return hash }
    return items.listHash()
  }

  /// What a parent holds for this node.
  var reference: TrieReference {
    if let cachedReference { return cachedReference }
    let items = items
    let reference: TrieReference =
      items.listCount < 32 ? .embedded(items.list()) : .hash(items.listHash())
    cachedReference = reference
    return reference
  }
}

extension TrieNode {
  /// The value at a path below this node.
  func value(at path: [UInt8]) -> Value? {
    var node = self
    /// How much of the path leads to the node.
    var depth = 0
    while true {
      switch node.content {
      case .leaf(let rest, let value):
        guard path.count == depth + rest.count, Nibbles.path(path, hasAt: depth, rest) else {
          return nil
        }
        return value
      case .extension(let stretch, let child):
        guard Nibbles.path(path, hasAt: depth, stretch) else { return nil }
        depth += stretch.count
        node = child
      case .branch(let children, let value):
        guard depth < path.count else { return value }
        guard let child = children[Int(path[depth])] else { return nil }
        depth += 1
        node = child
      }
    }
  }

  /// The RLP of the nodes from this one, a root, towards a path.
  func proof(of path: ArraySlice<UInt8>) -> [[UInt8]] {
    var nodes = [items.list()]
    var node = self
    var rest = path
    while true {
      let next: TrieNode?
      switch node.content {
      case .leaf: next = nil
      case .extension(let path, let child):
        next = rest.starts(with: path) ? child : nil
        rest = rest.dropFirst(path.count)
      case .branch(let children, _): next = rest.popFirst().flatMap { children[Int($0)] }
      }
      guard let next else { return nodes }
      if case .hash = next.reference { nodes.append(next.items.list()) }
      node = next
    }
  }

  /// Puts one value more below a node, or another in its place.
  ///
  /// Several values in turn make one new node each place: the second one changes in place what the
  /// first one made.
  static func insert(_ value: Value, at path: ArraySlice<UInt8>, into node: inout TrieNode?) {
    // The place lets go of its node, so that a node which nobody else has is known as such.
    guard var own = node.take() else {
      return node = TrieNode(.leaf(path: Array(path), value: value))
    }
    guard case .branch(var children, let ownValue) = own.content, let index = path.first else {
      return node = own.inserting(value, at: path)
    }
    let isOwn = isKnownUniquelyReferenced(&own)
    // So does the branch of its children.
    if isOwn { own.content = .leaf(path: [], value: value) }
    insert(value, at: path.dropFirst(), into: &children[Int(index)])
    let branch = Content.branch(children: children, value: ownValue)
    guard isOwn else { return node = TrieNode(branch) }
    own.content = branch
    own.cachedReference = nil
    node = own
  }

  /// The node that stands for this one with one value more, or another in its place.
  private func inserting(_ value: Value, at path: ArraySlice<UInt8>) -> TrieNode {
    switch content {
    case .leaf(let own, let ownValue):
      let common = Nibbles.commonPrefix(own, path)
      if common == own.count, common == path.count {
        return TrieNode(.leaf(path: own, value: value))
      }
      var fork = Fork()
      fork.add(ownValue, at: own[common...])
      fork.add(value, at: path.dropFirst(common))
      return fork.node(below: own[..<common])
    case .extension(let own, let child):
      let common = Nibbles.commonPrefix(own, path)
      if common == own.count {
        var below: TrieNode? = child
        Self.insert(value, at: path.dropFirst(common), into: &below)
        return TrieNode(.extension(path: own, child: below ?? child))
      }
      var fork = Fork()
      fork.children[Int(own[common])] = Self.prefixed(own[(common + 1)...], child)
      fork.add(value, at: path.dropFirst(common))
      return fork.node(below: own[..<common])
    case .branch(let children, _):
      // The key ends here: a longer one goes to a child.
      return TrieNode(.branch(children: children, value: value))
    }
  }

  /// The node that stands for this one without the value at a path; nil when nothing is left.
  func removing(at path: ArraySlice<UInt8>) -> TrieNode? {
    switch content {
    case .leaf(let own, _):
      return path.elementsEqual(own) ? nil : self
    case .extension(let own, let child):
      guard path.starts(with: own) else { return self }
      return child.removing(at: path.dropFirst(own.count)).map { Self.prefixed(own[...], $0) }
    case .branch(var children, let value):
      guard let index = path.first.map(Int.init) else {
        return Self.collapsed(children, value: nil)
      }
      guard let child = children[index] else { return self }
      children[index] = child.removing(at: path.dropFirst())
      return Self.collapsed(children, value: value)
    }
  }

  /// Puts a stretch of path in front of a node, merging it with the stretch the node begins with.
  private static func prefixed(_ path: ArraySlice<UInt8>, _ node: TrieNode) -> TrieNode {
    guard !path.isEmpty else { return node }
    switch node.content {
    case .leaf(let own, let value): return TrieNode(.leaf(path: path + own, value: value))
    case .extension(let own, let child): return TrieNode(.extension(path: path + own, child: child))
    case .branch: return TrieNode(.extension(path: Array(path), child: node))
    }
  }

  /// A branch in its canonical form: with fewer than two entries it is no branch.
  private static func collapsed(_ children: [TrieNode?], value: Value?) -> TrieNode? {
    let occupied = children.indices.filter { children[$0] != nil }
    switch (occupied.count, value) {
    case (0, let value?): return TrieNode(.leaf(path: [], value: value))
    case (0, nil): return nil
    case (1, nil):
      return children[occupied[0]].map { prefixed([UInt8(occupied[0])], $0) }
    default: return TrieNode(.branch(children: children, value: value))
    }
  }

  /// A branch in the making, where two keys part.
  private struct Fork {
    var children = [TrieNode?](repeating: nil, count: 16)
    var value: Value?

    mutating func add(_ value: Value, at path: ArraySlice<UInt8>) {
      guard let index = path.first else { return self.value = value }
      children[Int(index)] = TrieNode(.leaf(path: Array(path.dropFirst()), value: value))
    }

    func node(below path: ArraySlice<UInt8>) -> TrieNode {
      prefixed(path, TrieNode(.branch(children: children, value: value)))
    }
  }
}

/// Half-bytes, the alphabet of trie paths (yellow paper, appendix D).
package enum Nibbles {
  /// The half-bytes of a key, the high one of each byte first.
  package static func of(_ key: [UInt8]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: key.count * 2) { buffer, count in
      for byte in key {
        buffer[count] = byte >> 4
        buffer[count + 1] = byte & 15
        count += 2
      }
    }
  }

  /// The hex-prefix encoding: a flag for the end of a path, and one for an odd count, in front.
  static func hexPrefix(_ path: ArraySlice<UInt8>, isLeaf: Bool) -> [UInt8] {
    let flag: UInt8 = isLeaf ? 2 : 0
    return [UInt8](unsafeUninitializedCapacity: path.count / 2 + 1) { buffer, count in
      var index = path.startIndex
      if path.count.isMultiple(of: 2) {
        buffer[0] = flag << 4
      } else {
        buffer[0] = (flag | 1) << 4 | path[index]
        index += 1
      }
      count = 1
      while index < path.endIndex {
        buffer[count] = path[index] << 4 | path[index + 1]
        count += 1
        index += 2
      }
    }
  }

  /// Whether a path has a stretch at a place.
  static func path(_ path: [UInt8], hasAt depth: Int, _ stretch: [UInt8]) -> Bool {
    guard path.count - depth >= stretch.count else { return false }
    for index in stretch.indices where path[depth + index] != stretch[index] { return false }
    return true
  }

  /// How many half-bytes two paths have in common at their beginning.
  static func commonPrefix(_ left: [UInt8], _ right: ArraySlice<UInt8>) -> Int {
    let limit = min(left.count, right.count)
    var count = 0
    while count < limit, left[count] == right[right.startIndex + count] { count += 1 }
    return count
  }
}
