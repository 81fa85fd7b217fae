/// Half-bytes, the alphabet of trie paths (yellow paper, appendix D).
package enum Nibbles {
  /// The half-bytes of a key, the high one of each byte first.
  package static func of(_ key: some Collection<UInt8>) -> [UInt8] {
    var nibbles: [UInt8] = []
    nibbles.reserveCapacity(key.count * 2)
    for byte in key {
      nibbles.append(byte >> 4)
      nibbles.append(byte & 15)
    }
    return nibbles
  }

  /// The hex-prefix encoding: a flag for the end of a path, and one for an odd count, in front.
  static func hexPrefix(_ path: [UInt8], isLeaf: Bool) -> [UInt8] {
    let flag: UInt8 = isLeaf ? 2 : 0
    var bytes: [UInt8] = []
    bytes.reserveCapacity(path.count / 2 + 1)
    var index = 0
    if path.count.isMultiple(of: 2) {
      bytes.append(flag << 4)
    } else {
      bytes.append((flag | 1) << 4 | path[0])
      index = 1
    }
    while index < path.count {
      bytes.append(path[index] << 4 | path[index + 1])
      index += 2
    }
    return bytes
  }

  /// How many half-bytes two paths have in common at their beginning.
  static func commonPrefix(_ left: some Collection<UInt8>, _ right: some Collection<UInt8>) -> Int {
    zip(left, right).prefix { $0 == $1 }.count
  }
}
