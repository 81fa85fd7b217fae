import Bloom
import Testing

@Suite("Short work, shared or alone")
struct SharingTrialTests {
  /// Counts so many pieces of work, each done as it is to be.
  private func run(
    _ trial: inout SharingTrial, _ count: Int, shared: Duration, alone: Duration,
    work: (Int) -> Int = { _ in 1000 }
  ) -> [Bool] {
    (0..<count).map { index in
      let isShared = trial.isShared
      trial.count(
        wasShared: isShared, time: (isShared ? shared : alone) * work(index) / 1000,
        work: work(index))
      return isShared
    }
  }

  @Test(
    "Both ways are tried out, and the faster one is used until they are tried out again",
    arguments: [(5, 9), (9, 5)])
  func choice(_ shared: Int, _ alone: Int) {
    var trial = SharingTrial()
    for _ in 0..<2 {
      let ways = run(
        &trial, 2 * SharingTrial.trial + SharingTrial.use, shared: .microseconds(shared),
        alone: .microseconds(alone))
      #expect(ways.prefix(SharingTrial.trial).allSatisfy { $0 })
      #expect(ways.dropFirst(SharingTrial.trial).prefix(SharingTrial.trial).allSatisfy { !$0 })
      #expect(ways.suffix(SharingTrial.use).allSatisfy { $0 == (shared < alone) })
    }
  }

  @Test("A few waits of milliseconds make sharing slower, though it is mostly faster")
  func waits() {
    var trial = SharingTrial()
    for index in 0..<SharingTrial.trial {
      trial.count(
        wasShared: true, time: index % 200 == 0 ? .milliseconds(3) : .microseconds(5), work: 1000)
    }
    _ = run(&trial, SharingTrial.trial, shared: .zero, alone: .microseconds(9))
    #expect(!trial.isShared)
  }

  @Test("Work that grows meanwhile does not make the later way slower")
  func growth() {
    var trial = SharingTrial()
    _ = run(
      &trial, 2 * SharingTrial.trial, shared: .microseconds(9), alone: .microseconds(8),
      work: { 1000 + 10 * $0 })
    #expect(!trial.isShared)
  }

  @Test("A piece of work is counted for the way in which it was done")
  func late() {
    var trial = SharingTrial()
    _ = run(&trial, SharingTrial.trial, shared: .microseconds(5), alone: .microseconds(9))
    // Begun before, it ends in the trial of the other way.
    trial.count(wasShared: true, time: .seconds(1), work: 1000)
    _ = run(&trial, SharingTrial.trial - 1, shared: .microseconds(5), alone: .microseconds(9))
    #expect(!trial.isShared)
  }
}
