import PlumiseTesting
import Testing

@Suite("A manual clock", .timeLimit(.minutes(5)))
struct ManualClockTests {
  let clock = ManualClock()

  @Test("It stands still until it is moved")
  func standsStill() {
    #expect(clock.now == .init())
    clock.advance(by: .seconds(3))
    #expect(clock.now == .init(offset: .seconds(3)))
  }

  @Test("A sleeper wakes at its deadline and not before")
  func wakesAtDeadline() async throws {
    let clock = clock
    async let sleeper: ManualClock.Instant = {
      try await clock.sleep(for: .seconds(10))
      return clock.now
    }()
    try await clock.waitForSleepers()
    clock.advance(by: .seconds(9))
    #expect(clock.deadlines == [.init(offset: .seconds(10))])
    clock.advance(by: .seconds(1))
    #expect(try await sleeper == .init(offset: .seconds(10)))
    #expect(clock.deadlines.isEmpty)
  }

  @Test("Moving to the next deadline wakes the earliest sleeper alone")
  func advancesToNextDeadline() async throws {
    let clock = clock
    async let late: Void = clock.sleep(for: .seconds(20))
    async let early: Void = clock.sleep(for: .seconds(5))
    try await clock.waitForSleepers(2)
    #expect(try await clock.advanceToNextDeadline() == .seconds(5))
    try await early
    #expect(clock.deadlines == [.init(offset: .seconds(20))])
    #expect(try await clock.advanceToNextDeadline() == .seconds(15))
    try await late
  }

  @Test("A deadline that has passed does not suspend")
  func pastDeadline() async throws {
    clock.advance(by: .seconds(5))
    try await clock.sleep(until: .init(offset: .seconds(5)))
  }

  @Test("A cancelled sleeper throws and leaves no deadline behind")
  func cancelledSleeper() async throws {
    let clock = clock
    let sleeper = Task { try await clock.sleep(for: .seconds(1)) }
    try await clock.waitForSleepers()
    sleeper.cancel()
    await #expect(throws: CancellationError.self) { try await sleeper.value }
    #expect(clock.deadlines.isEmpty)
  }

  @Test("A task that is cancelled already does not fall asleep")
  func cancelledBefore() async throws {
    let clock = clock
    let sleeper = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      try await clock.sleep(for: .seconds(1))
    }
    await #expect(throws: CancellationError.self) { try await sleeper.value }
  }

  @Test("A watcher that waits for a sleeper ends when it is cancelled")
  func cancelledWatcher() async throws {
    let clock = clock
    let watcher = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      try await clock.waitForSleeper(until: .seconds(60))
    }
    await #expect(throws: ManualClock.UnmetWait.self) { try await watcher.value }
  }

  @Test("A wait that ends in vain says which deadlines there are")
  func unmetWait() async throws {
    let clock = clock
    let sleeper = Task { try await clock.sleep(for: .seconds(7)) }
    try await clock.waitForSleepers()
    let waiting = Task { try await clock.waitForSleeper(until: .seconds(60)) }
    waiting.cancel()
    let error = await #expect(throws: ManualClock.UnmetWait.self) { try await waiting.value }
    #expect(
      error?.description == """
        waited for a sleeper until 60.0 seconds in vain: the clock shows 0.0 seconds; \
        sleepers wait until 7.0 seconds
        """)
    clock.end()
    await #expect(throws: CancellationError.self) { try await sleeper.value }
  }
}
