package import EthereumPrimitives

/// A Merkle-Patricia trie (yellow paper, appendix D) whose copies share their nodes.
///
/// A copy costs one reference, so that every block, snapshot and attempted transaction can have a
/// state of its own. The root is computed when asked for, from the nodes that changed since.
package struct MerkleTrie<Value: TrieValue> {
  private var root: TrieNode<Value>?

  package init() {}

  /// The root of a trie that holds nothing: keccak256 of the empty string's RLP.
  package static var emptyRoot: Hash32 { emptyTrieRoot }

  /// The value of a key; setting nil removes it.
  package subscript(key: [UInt8]) -> Value? {
    get { root?.value(at: Nibbles.of(key)[...]) }
    set { self[path: Nibbles.of(key)] = newValue }
  }

  /// The value at the half-bytes of a key; setting nil removes it.
  subscript(path path: [UInt8]) -> Value? {
    get { root?.value(at: path[...]) }
    set {
      root =
        if let newValue { TrieNode.inserting(newValue, at: path[...], into: root) } else {
          root?.removing(at: path[...])
        }
    }
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
