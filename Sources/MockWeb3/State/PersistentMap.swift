package import EthereumPrimitives

/// A map from addresses whose copies share what they have in common.
///
/// A dictionary would be copied whole with the first write after every block, since each block
/// keeps the state it left behind; here a write copies one path, and later writes change in place
/// what no other copy has.
package struct PersistentMap<Value> {
  /// A leaf or a fork; classes, so that a fork's children are one word each.
  private class Node {
    let isLeaf: Bool

    init(isLeaf: Bool) { self.isLeaf = isLeaf }
  }

  private final class Leaf: Node {
    let key: Address
    let value: Value

    init(_ key: Address, _ value: Value) {
      self.key = key
      self.value = value
      super.init(isLeaf: true)
    }
  }

  /// Sixteen ways at each half-byte of the address: deep enough to tell any two apart.
  private final class Fork: Node {
    var children: [Node?]

    init(_ children: [Node?]) {
      self.children = children
      super.init(isLeaf: false)
    }
  }

  private var root: Node?

  /// An empty map.
  package init() {}

  /// The value of an address; setting nil removes it.
  package subscript(key: Address) -> Value? {
    get {
      let word = key.word
      var node = root
      var depth = 0
      while let fork = node, !fork.isLeaf {
        // The low half-bytes first, which differ in every kind of address, precompiles included.
        node = unsafeDowncast(fork, to: Fork.self).children[word.halfByte(depth)]
        depth += 1
      }
      guard let node else { return nil }
      let leaf = unsafeDowncast(node, to: Leaf.self)
      return leaf.key == key ? leaf.value : nil
    }
    set {
      if let newValue {
        Self.insert(Leaf(key, newValue), into: &root, depth: 0)
      } else {
        root = root.flatMap { Self.removing(key, from: $0, depth: 0) }
      }
    }
  }

  private static func insert(_ leaf: Leaf, into node: inout Node?, depth: Int) {
    // The place lets go of its node, so that a node which nobody else has is known as such.
    guard let own = node.take() else { return node = leaf }
    if own.isLeaf {
      let other = unsafeDowncast(own, to: Leaf.self)
      if other.key == leaf.key { return node = leaf }
      var children = [Node?](repeating: nil, count: 16)
      children[other.key.word.halfByte(depth)] = other
      insert(leaf, into: &children[leaf.key.word.halfByte(depth)], depth: depth + 1)
      return node = Fork(children)
    }
    var fork = unsafeDowncast(own, to: Fork.self)
    _ = consume own
    if !isKnownUniquelyReferenced(&fork) { fork = Fork(fork.children) }
    insert(leaf, into: &fork.children[leaf.key.word.halfByte(depth)], depth: depth + 1)
    node = fork
  }

  private static func removing(_ key: Address, from node: Node, depth: Int) -> Node? {
    if node.isLeaf { return unsafeDowncast(node, to: Leaf.self).key == key ? nil : node }
    let index = key.word.halfByte(depth)
    var children = unsafeDowncast(node, to: Fork.self).children
    guard let child = children[index] else { return node }
    children[index] = removing(key, from: child, depth: depth + 1)
    return children.allSatisfy({ $0 == nil }) ? nil : Fork(children)
  }
}
