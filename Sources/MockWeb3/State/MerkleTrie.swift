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
  package subscript(key: some Collection<UInt8>) -> Value? {
    get { root?.value(at: Nibbles.of(key)[...]) }
    set {
      let path = Nibbles.of(key)[...]
      root =
        if let newValue { TrieNode.inserting(newValue, at: path, into: root) } else {
          root?.removing(at: path)
        }
    }
  }

  /// Whether nothing is stored.
  package var isEmpty: Bool { root == nil }

  /// The hash that commits to every key and value.
  package var rootHash: Hash32 {
    guard let root else { return emptyTrieRoot }
    let reference = root.reference
    // A root is hashed however short it is; a longer one has its hash as its reference.
    return reference.count == 33 && reference[0] == 0xa0
      ? Self.hash(in: reference) : Keccak256.hash(root.encoded)
  }

  private static func hash(in reference: [UInt8]) -> Hash32 {
    do {
      return try Hash32(bytes: reference.dropFirst())
    } catch {
      preconditionFailure("a reference of 33 bytes holds a hash of 32")
    }
  }
}

extension MerkleTrie where Value == [UInt8] {
  /// The root over a list, keyed by the RLP of each position: transactions and receipts.
  package static func root(ofList items: [[UInt8]]) -> Hash32 {
    var trie = MerkleTrie()
    for (index, item) in items.enumerated() {
      var key = RLPWriter()
      key.append(UInt64(index))
      trie[key.bytes] = item
    }
    return trie.rootHash
  }
}

private let emptyTrieRoot = Keccak256.hash([0x80])
