import Bloom
import Testing

@Suite("ALiBi slopes")
struct ALiBiTests {
  @Test("A power of two of heads gives a geometric sequence", arguments: [1, 2, 4, 8, 16, 32])
  func powers(_ heads: Int) {
    let slopes = ALiBi.slopes(headCount: heads)
    #expect(slopes.count == heads)
    #expect(slopes.last == 0.00390625)
    for (a, b) in zip(slopes, slopes.dropFirst()) {
      #expect(abs(b / a - slopes[0]) < 1e-6)
    }
  }

  @Test("Eight heads have the paper's slopes")
  func paper() {
    #expect(ALiBi.slopes(headCount: 8) == (1...8).map { 1 / Float(1 << $0) })
  }

  @Test(
    "Any other number takes the slopes of the power below, then odd ones of the power above",
    arguments: [
      (3, [0.0625, 0.00390625, 0.25]), (5, [0.25, 0.0625, 0.015625, 0.00390625, 0.5]),
      (6, [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125]),
    ])
  func others(_ heads: Int, _ expected: [Float]) {
    #expect(ALiBi.slopes(headCount: heads) == expected)
  }

  @Test("Every head count gives positive slopes below one, no two alike", arguments: 1...70)
  func all(_ heads: Int) {
    let slopes = ALiBi.slopes(headCount: heads)
    #expect(slopes.count == heads)
    #expect(Set(slopes).count == heads)
    #expect(slopes.allSatisfy { $0 > 0 && $0 < 1 })
  }
}
