import AsyncPrimitives
import Testing

@Suite("Back-off")
struct BackoffTests {
  @Test("Delays grow by the multiplier from the initial one to the maximum, and stay there")
  func growth() {
    let backoff = Backoff(initial: .seconds(5), maximum: .seconds(120), jitter: 0)
    #expect(
      (1...7).map { backoff.delay(after: $0) }
        == [5, 10, 20, 40, 80, 120, 120].map { .seconds($0) })
    let slow = Backoff(initial: .seconds(8), maximum: .seconds(60), multiplier: 1.5, jitter: 0)
    #expect(
      (1...6).map { slow.delay(after: $0) } == [8, 12, 18, 27, 40.5, 60].map { .seconds($0) })
  }

  @Test("Chance takes its share off a delay, and no more")
  func jitter() {
    let backoff = Backoff(initial: .seconds(8), maximum: .seconds(64), jitter: 0.25)
    #expect(backoff.delay(after: 1, random: 0) == .seconds(8))
    #expect(backoff.delay(after: 1, random: 1) == .seconds(6))
    #expect(backoff.delay(after: 3, random: 0.5) == .seconds(28))
    #expect(backoff.delay(after: 1000, random: 0) == .seconds(64))
    var chance = SeededGenerator(seed: 1)
    for failures in 1...100 {
      let delay = backoff.delay(after: failures, random: .random(in: 0..<1, using: &chance))
      #expect(delay >= .seconds(6) && delay <= .seconds(64))
    }
  }

  @Test("Chance beyond 0 to 1 counts as the nearer of the two")
  func clamped() {
    let backoff = Backoff(initial: .seconds(8), maximum: .seconds(64), jitter: 1)
    #expect(backoff.delay(after: 2, random: -3) == .seconds(16))
    #expect(backoff.delay(after: 2, random: 7) == .zero)
  }

  @Test("No number of failures leads beyond the maximum or out of the type")
  func extremes() {
    let longest = Duration.seconds(3_153_600_000)
    let steep = Backoff(initial: .nanoseconds(1), maximum: longest, multiplier: 1e9, jitter: 0)
    #expect(steep.delay(after: .max) == longest)
    #expect(
      Backoff(initial: .seconds(1), maximum: longest, jitter: 0).delay(after: .max) == longest)
    let constant = Backoff(initial: .seconds(3), maximum: longest, multiplier: 1, jitter: 0)
    #expect(constant.delay(after: .max) == .seconds(3))
    #expect(Backoff.none.delay(after: .max) == .zero)
  }
}
