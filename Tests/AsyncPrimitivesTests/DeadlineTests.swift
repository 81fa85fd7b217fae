import AsyncPrimitives
import PlumiseTesting
import Synchronization
import Testing

@Suite("Deadlines and races", .timeLimit(.minutes(5)))
struct AsyncDeadlineTests {
  private struct Late: Error {}
  private struct Broken: Error {}

  /// Waits until it is cancelled, on a clock that nobody moves.
  private static func waitForCancellation() async throws {
    try await ManualClock().sleep(for: .seconds(1))
  }

  @Test("An operation that ends in time gives its result, and nothing sleeps after it")
  func inTime() async throws {
    let clock = ManualClock()
    #expect(try await withDeadline(.seconds(5), on: clock, orThrow: Late()) { 7 } == 7)
    #expect(clock.deadlines.isEmpty)
  }

  @Test("An operation that is late is cancelled, has ended, and its caller gets the error")
  func late() async throws {
    let clock = ManualClock()
    let wasCancelled = Mutex(false)
    let task = Task {
      try await withDeadline(.seconds(5), on: clock, orThrow: Late()) {
        do {
          try await Self.waitForCancellation()
        } catch {
          wasCancelled.withLock { $0 = true }
          throw error
        }
      }
    }
    try await clock.waitForSleeper(until: .seconds(5))
    clock.advance(by: .seconds(5))
    await #expect(throws: Late.self) { try await task.value }
    #expect(wasCancelled.withLock { $0 })
  }

  @Test("Without an error of its own a deadline throws DeadlineExceeded")
  func unnamed() async {
    await #expect(throws: DeadlineExceeded.self) {
      try await withDeadline(.zero, on: ManualClock()) { try await Self.waitForCancellation() }
    }
  }

  @Test("What the operation throws comes through, and the error of lateness is not made")
  func failure() async {
    var isMade = false
    func late() -> any Error {
      isMade = true
      return Late()
    }
    await #expect(throws: Broken.self) {
      try await withDeadline(.seconds(5), on: ManualClock(), orThrow: late()) { throw Broken() }
    }
    #expect(!isMade)
  }

  @Test("A caller that is cancelled gets CancellationError, not the deadline's")
  func cancelled() async throws {
    let clock = ManualClock()
    let task = Task {
      try await withDeadline(.seconds(5), on: clock, orThrow: Late()) {
        try await Self.waitForCancellation()
      }
    }
    try await clock.waitForSleeper(until: .seconds(5))
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(clock.deadlines.isEmpty)
  }

  @Test("A race gives what ends first, from either side, and cancels the other")
  func either() async throws {
    #expect(
      try await race(
        { 1 },
        against: {
          try await Self.waitForCancellation()
          return 2
        }) == 1)
    #expect(
      try await race(
        {
          try await Self.waitForCancellation()
          return 1
        }, against: { 2 }) == 2)
    await #expect(throws: Broken.self) {
      try await race({ try await Self.waitForCancellation() }, against: { throw Broken() })
    }
  }
}

@Suite("Stopwatches", .timeLimit(.minutes(5)))
struct StopwatchTests {
  @Test("A watch shows what its clock was moved by since its making")
  func elapsed() {
    let clock = ManualClock()
    clock.advance(by: .seconds(3))
    let watch = Stopwatch(clock)
    #expect(watch.elapsed == .zero)
    clock.advance(by: .milliseconds(1500))
    #expect(watch.elapsed == .milliseconds(1500))
  }

  @Test("A sleep until a time of the watch ends then, and one until the past at once")
  func sleepUntil() async throws {
    let clock = ManualClock()
    clock.advance(by: .seconds(3))
    let watch = Stopwatch(clock)
    clock.advance(by: .seconds(2))
    async let sleep: Void = watch.sleep(until: .seconds(10))
    try await clock.waitForSleeper(until: .seconds(13))
    clock.advance(by: .seconds(8))
    try await sleep
    try await watch.sleep(until: .seconds(10))
    #expect(watch.elapsed == .seconds(10))
  }
}
