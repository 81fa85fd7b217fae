import EthereumPrimitives

/// A map from addresses whose copies share what they have in common.
///
/// A dictionary would be copied whole with the first write after every block, since each block
/// keeps the state it left behind; here a write copies one path.
struct PersistentMap<Value> {
  private final class Leaf {
    let key: Address
    let value: Value

    init(_ key: Address, _ value: Value) {
      self.key = key
      self.value = value
    }
  }

  private final class Fork {
    let children: [Node?]

    init(_ children: [Node?]) { self.children = children }
  }

  /// Sixteen ways at each half-byte of the address: deep enough to tell any two apart.
  private enum Node {
    case leaf(Leaf)
    case fork(Fork)
  }

  private var root: Node?

  subscript(key: Address) -> Value? {
    get {
      let word = key.word
      var node = root
      var depth = 0
      while case .fork(let fork) = node {
        // The low half-bytes first, which differ in every kind of address, precompiles included.
        node = fork.children[word.halfByte(depth)]
        depth += 1
      }
      guard case .leaf(let leaf) = node, leaf.key == key else { return nil }
      return leaf.value
    }
    set {
      root =
        if let newValue { Self.inserting(Leaf(key, newValue), into: root, depth: 0) } else {
          root.flatMap { Self.removing(key, from: $0, depth: 0) }
        }
    }
  }

  private static func inserting(_ leaf: Leaf, into node: Node?, depth: Int) -> Node {
    switch node {
    case nil: return .leaf(leaf)
    case .leaf(let other):
      if other.key == leaf.key { return .leaf(leaf) }
      var children = [Node?](repeating: nil, count: 16)
      children[other.key.word.halfByte(depth)] = .leaf(other)
      return inserting(leaf, into: .fork(Fork(children)), depth: depth)
    case .fork(let fork):
      let index = leaf.key.word.halfByte(depth)
      var children = fork.children
      children[index] = inserting(leaf, into: children[index], depth: depth + 1)
      return .fork(Fork(children))
    }
  }

  private static func removing(_ key: Address, from node: Node, depth: Int) -> Node? {
    switch node {
    case .leaf(let leaf): return leaf.key == key ? nil : node
    case .fork(let fork):
      let index = key.word.halfByte(depth)
      guard let child = fork.children[index] else { return node }
      var children = fork.children
      children[index] = removing(key, from: child, depth: depth + 1)
      return children.allSatisfy({ $0 == nil }) ? nil : .fork(Fork(children))
    }
  }
}
