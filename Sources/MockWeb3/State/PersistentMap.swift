import EthereumPrimitives

/// A map from addresses whose copies share what they have in common.
///
/// A dictionary would be copied whole with the first write after every block, since each block
/// keeps the state it left behind; here a write copies one path.
struct PersistentMap<Value> {
  /// Sixteen ways at each half-byte of the address: deep enough to tell any two apart.
  private indirect enum Node {
    case leaf(Address, Value)
    case fork([Node?])
  }

  private var root: Node?

  subscript(key: Address) -> Value? {
    get {
      var node = root
      var depth = 0
      while case .fork(let children) = node {
        node = children[Self.index(key, depth)]
        depth += 1
      }
      guard case .leaf(key, let value) = node else { return nil }
      return value
    }
    set {
      root =
        if let newValue { Self.inserting(key, newValue, into: root, depth: 0) } else {
          root.flatMap { Self.removing(key, from: $0, depth: 0) }
        }
    }
  }

  /// The half-byte of an address at a depth; the low ones first, which differ in every kind of
  /// address, precompiles included.
  private static func index(_ key: Address, _ depth: Int) -> Int {
    Int(truncatingIfNeeded: (key.word >> (depth * 4)).low) & 15
  }

  private static func inserting(
    _ key: Address, _ value: Value, into node: Node?, depth: Int
  ) -> Node {
    switch node {
    case nil: return .leaf(key, value)
    case .leaf(key, _): return .leaf(key, value)
    case .leaf(let other, let otherValue):
      var children = [Node?](repeating: nil, count: 16)
      children[index(other, depth)] = .leaf(other, otherValue)
      return inserting(key, value, into: .fork(children), depth: depth)
    case .fork(var children):
      let index = index(key, depth)
      children[index] = inserting(key, value, into: children[index], depth: depth + 1)
      return .fork(children)
    }
  }

  private static func removing(_ key: Address, from node: Node, depth: Int) -> Node? {
    switch node {
    case .leaf(let own, _): return own == key ? nil : node
    case .fork(var children):
      let index = index(key, depth)
      guard let child = children[index] else { return node }
      children[index] = removing(key, from: child, depth: depth + 1)
      return children.allSatisfy({ $0 == nil }) ? nil : .fork(children)
    }
  }
}
