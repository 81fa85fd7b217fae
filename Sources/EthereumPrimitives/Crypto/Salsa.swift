/// The core of Salsa20 with eight rounds (RFC 7914, section 3).
enum Salsa {
  /// Mixes sixteen words in their place.
  ///
  /// The words are the rows of a square. Each of the four passes is one round of its columns and one
  /// of its rows, all sixteen words in variables of their own: that is fast, also in a debug build.
  static func mix(_ words: UnsafeMutablePointer<UInt32>) {
    var (x0, x1, x2, x3) = (words[0], words[1], words[2], words[3])
    var (x4, x5, x6, x7) = (words[4], words[5], words[6], words[7])
    var (x8, x9, x10, x11) = (words[8], words[9], words[10], words[11])
    var (x12, x13, x14, x15) = (words[12], words[13], words[14], words[15])
    for _ in 0..<4 {
      x4 ^= turned(x0 &+ x12, by: 7)
      x8 ^= turned(x4 &+ x0, by: 9)
      x12 ^= turned(x8 &+ x4, by: 13)
      x0 ^= turned(x12 &+ x8, by: 18)
      x9 ^= turned(x5 &+ x1, by: 7)
      x13 ^= turned(x9 &+ x5, by: 9)
      x1 ^= turned(x13 &+ x9, by: 13)
      x5 ^= turned(x1 &+ x13, by: 18)
      x14 ^= turned(x10 &+ x6, by: 7)
      x2 ^= turned(x14 &+ x10, by: 9)
      x6 ^= turned(x2 &+ x14, by: 13)
      x10 ^= turned(x6 &+ x2, by: 18)
      x3 ^= turned(x15 &+ x11, by: 7)
      x7 ^= turned(x3 &+ x15, by: 9)
      x11 ^= turned(x7 &+ x3, by: 13)
      x15 ^= turned(x11 &+ x7, by: 18)
      x1 ^= turned(x0 &+ x3, by: 7)
      x2 ^= turned(x1 &+ x0, by: 9)
      x3 ^= turned(x2 &+ x1, by: 13)
      x0 ^= turned(x3 &+ x2, by: 18)
      x6 ^= turned(x5 &+ x4, by: 7)
      x7 ^= turned(x6 &+ x5, by: 9)
      x4 ^= turned(x7 &+ x6, by: 13)
      x5 ^= turned(x4 &+ x7, by: 18)
      x11 ^= turned(x10 &+ x9, by: 7)
      x8 ^= turned(x11 &+ x10, by: 9)
      x9 ^= turned(x8 &+ x11, by: 13)
      x10 ^= turned(x9 &+ x8, by: 18)
      x12 ^= turned(x15 &+ x14, by: 7)
      x13 ^= turned(x12 &+ x15, by: 9)
      x14 ^= turned(x13 &+ x12, by: 13)
      x15 ^= turned(x14 &+ x13, by: 18)
    }
    words[0] &+= x0
    words[1] &+= x1
    words[2] &+= x2
    words[3] &+= x3
    words[4] &+= x4
    words[5] &+= x5
    words[6] &+= x6
    words[7] &+= x7
    words[8] &+= x8
    words[9] &+= x9
    words[10] &+= x10
    words[11] &+= x11
    words[12] &+= x12
    words[13] &+= x13
    words[14] &+= x14
    words[15] &+= x15
  }

  @inline(__always)
  private static func turned(_ word: UInt32, by count: UInt32) -> UInt32 {
    (word &<< count) | (word &>> (32 &- count))
  }
}
