/// Half-bytes, the alphabet of trie paths (yellow paper, appendix D).
package enum Nibbles {
  /// The half-bytes of a key, the high one of each byte first.
  package static func of(_ key: [UInt8]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: key.count * 2) { buffer, count in
      for byte in key {
        buffer[count] = byte >> 4
        buffer[count + 1] = byte & 15
        count += 2
      }
    }
  }

  /// The hex-prefix encoding: a flag for the end of a path, and one for an odd count, in front.
  static func hexPrefix(_ path: ArraySlice<UInt8>, isLeaf: Bool) -> [UInt8] {
    let flag: UInt8 = isLeaf ? 2 : 0
    return [UInt8](unsafeUninitializedCapacity: path.count / 2 + 1) { buffer, count in
      var index = path.startIndex
      if path.count.isMultiple(of: 2) {
        buffer[0] = flag << 4
      } else {
        buffer[0] = (flag | 1) << 4 | path[index]
        index += 1
      }
      count = 1
      while index < path.endIndex {
        buffer[count] = path[index] << 4 | path[index + 1]
        count += 1
        index += 2
      }
    }
  }

  /// How many half-bytes two paths have in common at their beginning.
  static func commonPrefix(_ left: [UInt8], _ right: ArraySlice<UInt8>) -> Int {
    let limit = min(left.count, right.count)
    var count = 0
    while count < limit, left[count] == right[right.startIndex + count] { count += 1 }
    return count
  }
}
