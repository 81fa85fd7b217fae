/// The root of a Merkle-Patricia trie whose paths are hashes of its keys (yellow paper, appendix D),
/// computed from all its values at once.
package enum SecureTrie {
  /// The root of a trie that holds nothing: keccak256 of the empty string's RLP.
  package static let emptyRoot = Keccak256.hash([0x80])

  /// The root over values by the hashes of their keys.
  /// - Parameter values: no two with the same hash, none empty.
  package static func root(_ values: [(path: Hash32, value: [UInt8])]) -> Hash32 {
    guard !values.isEmpty else { return emptyRoot }
    let sorted = values.sorted { $0.path.word < $1.path.word }
    return Keccak256.hash(node(sorted[...], depth: 0))
  }

  /// The RLP of the node that holds the values, which agree in their first half-bytes.
  private static func node(
    _ values: ArraySlice<(path: Hash32, value: [UInt8])>, depth: Int
  ) -> [UInt8] {
    let (first, last) = (values[values.startIndex], values[values.endIndex - 1])
    var writer = RLPWriter(capacity: 560)
    if values.count == 1 {
      writer.append(prefix(first.path, depth..<64, isLeaf: true))
      writer.append(first.value)
      return writer.list()
    }
    // The values are sorted: what the first and the last have in common, all of them have.
    var branching = depth
    while nibble(first.path, branching) == nibble(last.path, branching) { branching += 1 }
    if branching > depth {
      writer.append(prefix(first.path, depth..<branching, isLeaf: false))
      append(node(values, depth: branching), to: &writer)
      return writer.list()
    }
    var rest = values
    for digit in 0..<16 {
      let end = rest.firstIndex { nibble($0.path, depth) != digit } ?? rest.endIndex
      if end == rest.startIndex {
        writer.append([])
      } else {
        append(node(rest[..<end], depth: depth + 1), to: &writer)
        rest = rest[end...]
      }
    }
    writer.append([])
    return writer.list()
  }

  /// Refers to a node: by its hash, or by itself when it is shorter than one.
  private static func append(_ node: [UInt8], to writer: inout RLPWriter) {
    if node.count < 32 { writer.append(encoded: node) } else { writer.append(Keccak256.hash(node)) }
  }

  private static func nibble(_ path: Hash32, _ depth: Int) -> Int {
    path.word.halfByte(63 - depth)
  }

  /// The hex-prefix encoding of a part of a path.
  private static func prefix(_ path: Hash32, _ part: Range<Int>, isLeaf: Bool) -> [UInt8] {
    let flag = isLeaf ? 2 : 0
    var digits = part.map { nibble(path, $0) }
    digits.insert(contentsOf: part.count.isMultiple(of: 2) ? [flag, 0] : [flag | 1], at: 0)
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }
}
