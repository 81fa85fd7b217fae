import EthereumPrimitives

/// What a trie stores: anything with an encoding of its own.
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

/// A node of a Merkle-Patricia trie; nodes never change, so that tries share them.
///
/// Not Sendable: the reference is kept after it was first computed, and a trie has one owner.
final class TrieNode<Value: TrieValue> {
  enum Content {
    /// The rest of one key, and its value.
    case leaf(path: [UInt8], value: Value)
    /// A stretch that all keys below have in common.
    case shared(path: [UInt8], child: TrieNode)
    /// One child for each half-byte, and the value of the key that ends here.
    case branch(children: [TrieNode?], value: Value?)
  }

  let content: Content
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
    case .shared(let path, let child):
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
