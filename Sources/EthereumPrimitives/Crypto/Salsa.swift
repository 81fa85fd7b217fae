/// Sixteen words, and the core of Salsa20 with eight rounds over them (RFC 7914, section 3).
///
/// The words are the four rows of a square; a row is one vector.
struct Salsa {
  private typealias Row = SIMD4<UInt32>

  private var rows: (Row, Row, Row, Row)

  /// Reads sixteen words.
  init(_ words: UnsafeMutableBufferPointer<UInt32>, at start: Int) {
    rows = Self.rows(words, at: start)
  }

  /// Adds sixteen words without carry, and applies the core to the sum.
  mutating func mix(with words: UnsafeMutableBufferPointer<UInt32>, at start: Int) {
    let other = Self.rows(words, at: start)
    rows.0 ^= other.0
    rows.1 ^= other.1
    rows.2 ^= other.2
    rows.3 ^= other.3
    // The columns, each turned so that its diagonal lies in the first vector: a quarter round of
    // all four columns is then one of whole vectors.
    let (a, b, c, d) = (rows.0, rows.1, rows.2, rows.3)
    var diagonals = (
      Row(a[0], b[1], c[2], d[3]), Row(b[0], c[1], d[2], a[3]), Row(c[0], d[1], a[2], b[3]),
      Row(d[0], a[1], b[2], c[3])
    )
    for _ in 0..<4 {
      Self.quarterRounds(&diagonals.0, &diagonals.1, &diagonals.2, &diagonals.3)
      // The same for the rows, whose places are those of the columns mirrored at the diagonal.
      var turned = (
        diagonals.0, diagonals.3.turned(by: 1), diagonals.2.turned(by: 2),
        diagonals.1.turned(by: 3)
      )
      Self.quarterRounds(&turned.0, &turned.1, &turned.2, &turned.3)
      diagonals = (
        turned.0, turned.3.turned(by: 1), turned.2.turned(by: 2), turned.1.turned(by: 3)
      )
    }
    let (p, q, s, t) = diagonals
    rows.0 &+= Row(p[0], t[1], s[2], q[3])
    rows.1 &+= Row(q[0], p[1], t[2], s[3])
    rows.2 &+= Row(s[0], q[1], p[2], t[3])
    rows.3 &+= Row(t[0], s[1], q[2], p[3])
  }

  /// Writes the sixteen words.
  func store(in words: UnsafeMutableBufferPointer<UInt32>, at start: Int) {
    for column in 0..<4 {
      words[start + column] = rows.0[column]
      words[start + 4 + column] = rows.1[column]
      words[start + 8 + column] = rows.2[column]
      words[start + 12 + column] = rows.3[column]
    }
  }

  private static func rows(
    _ words: UnsafeMutableBufferPointer<UInt32>, at start: Int
  ) -> (Row, Row, Row, Row) {
    func row(_ index: Int) -> Row {
      let place = start + 4 * index
      return Row(words[place], words[place + 1], words[place + 2], words[place + 3])
    }
    return (row(0), row(1), row(2), row(3))
  }

  @inline(__always)
  private static func quarterRounds(
    _ a: inout Row, _ b: inout Row, _ c: inout Row, _ d: inout Row
  ) {
    b ^= (a &+ d).rotated(by: 7)
    c ^= (b &+ a).rotated(by: 9)
    d ^= (c &+ b).rotated(by: 13)
    a ^= (d &+ c).rotated(by: 18)
  }
}

extension SIMD4<UInt32> {
  @inline(__always)
  fileprivate func rotated(by count: UInt32) -> Self {
    (self &<< Self(repeating: count)) | (self &>> Self(repeating: 32 - count))
  }

  /// The elements a number of places on, around the end.
  @inline(__always)
  fileprivate func turned(by count: Int) -> Self {
    switch count {
    case 1: Self(self[1], self[2], self[3], self[0])
    case 2: Self(self[2], self[3], self[0], self[1])
    default: Self(self[3], self[0], self[1], self[2])
    }
  }
}
