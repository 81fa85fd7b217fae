extension TrieNode {
  /// The value at a path below this node.
  func value(at path: ArraySlice<UInt8>) -> Value? {
    var node = self
    var rest = path
    while true {
      switch node.content {
      case .leaf(let path, let value):
        return rest.elementsEqual(path) ? value : nil
      case .shared(let path, let child):
        guard rest.starts(with: path) else { return nil }
        rest = rest.dropFirst(path.count)
        node = child
      case .branch(let children, let value):
        guard let index = rest.popFirst() else { return value }
        guard let child = children[Int(index)] else { return nil }
        node = child
      }
    }
  }

  /// The node that stands for `node` with one value more, or another in its place.
  static func inserting(
    _ value: Value, at path: ArraySlice<UInt8>, into node: TrieNode?
  ) -> TrieNode {
    guard let node else { return TrieNode(.leaf(path: Array(path), value: value)) }
    switch node.content {
    case .leaf(let own, let ownValue):
      let common = Nibbles.commonPrefix(own, path)
      if common == own.count, common == path.count {
        return TrieNode(.leaf(path: own, value: value))
      }
      var fork = Fork()
      fork.add(ownValue, at: own[common...])
      fork.add(value, at: path.dropFirst(common))
      return fork.node(below: own[..<common])
    case .shared(let own, let child):
      let common = Nibbles.commonPrefix(own, path)
      if common == own.count {
        let below = inserting(value, at: path.dropFirst(common), into: child)
        return TrieNode(.shared(path: own, child: below))
      }
      var fork = Fork()
      fork.children[Int(own[common])] = prefixed(own[(common + 1)...], child)
      fork.add(value, at: path.dropFirst(common))
      return fork.node(below: own[..<common])
    case .branch(var children, let ownValue):
      guard let index = path.first.map(Int.init) else {
        return TrieNode(.branch(children: children, value: value))
      }
      children[index] = inserting(value, at: path.dropFirst(), into: children[index])
      return TrieNode(.branch(children: children, value: ownValue))
    }
  }

  /// The node that stands for this one without the value at a path; nil when nothing is left.
  func removing(at path: ArraySlice<UInt8>) -> TrieNode? {
    switch content {
    case .leaf(let own, _):
      return path.elementsEqual(own) ? nil : self
    case .shared(let own, let child):
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
    case .shared(let own, let child): return TrieNode(.shared(path: path + own, child: child))
    case .branch: return TrieNode(.shared(path: Array(path), child: node))
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
