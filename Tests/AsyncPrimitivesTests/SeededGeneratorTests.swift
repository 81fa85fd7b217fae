import AsyncPrimitives
import Testing

@Suite("The seeded generator")
struct SeededGeneratorTests {
  @Test(
    "Its numbers are those of SplitMix64's reference implementation",
    arguments: [
      (0, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]),
      (
        1_234_567,
        [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
      ),
    ] as [(UInt64, [UInt64])])
  func reference(seed: UInt64, expected: [UInt64]) {
    var generator = SeededGenerator(seed: seed)
    #expect(expected.map { _ in generator.next() } == expected)
  }

  @Test("Its fractions are the upper 53 bits of its numbers, below 1")
  func fractions() {
    var numbers = SeededGenerator(seed: 5)
    var fractions = SeededGenerator(seed: 5)
    for _ in 0..<1000 {
      let fraction = fractions.unit()
      #expect(fraction == Double(numbers.next() >> 11) / Double(1 << 53))
      #expect((0..<1).contains(fraction))
    }
  }
}
