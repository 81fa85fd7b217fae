import EthereumPrimitives

/// What a trie stores: anything with an encoding of its own.
package protocol TrieValue {
  /// The bytes that the trie commits to; never empty.
  var trieBytes: [UInt8] { get }
}

extension [UInt8]: TrieValue {
  package var trieBytes: [UInt8] { self }
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
  private var cachedReference: [UInt8]?

  init(_ content: Content) { self.content = content }

  /// The node's RLP.
  var encoded: [UInt8] {
    switch content {
    case .leaf(let path, let value):
      var writer = RLPWriter(capacity: 128)
      writer.append(Nibbles.hexPrefix(path, isLeaf: true))
      writer.append(value.trieBytes)
      return writer.list()
    case .shared(let path, let child):
      var writer = RLPWriter(capacity: 68)
      writer.append(Nibbles.hexPrefix(path, isLeaf: false))
      writer.append(encoded: child.reference)
      return writer.list()
    case .branch(let children, let value):
      var writer = RLPWriter(capacity: 532)
      for child in children {
        if let child { writer.append(encoded: child.reference) } else { writer.append([]) }
      }
      writer.append(value?.trieBytes ?? [])
      return writer.list()
    }
  }

  /// What a parent holds for this node: its RLP when that is shorter than a hash, else its hash.
  var reference: [UInt8] {
    if let cachedReference { return cachedReference }
    let encoded = encoded
    let reference = encoded.count < 32 ? encoded : [0xa0] + Keccak256.hash(encoded).bytes
    cachedReference = reference
    return reference
  }
}
