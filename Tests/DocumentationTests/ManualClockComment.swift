import PlumiseTesting
import Testing

@Suite("A manual clock, as its comment shows it", .timeLimit(.minutes(5)))
struct ManualClockCommentTests {
  @Test("It waits for the sleeper, then wakes it")
  func wakes() async throws {
    // snippet: Sources/PlumiseTesting/ManualClock.swift
    let clock = ManualClock()
    let nap = Task { try await clock.sleep(for: .seconds(60)) }
    try await clock.advanceToNextDeadline()  // waits for the sleeper, then wakes it
    try await nap.value
    // end of snippet
    #expect(clock.now == .init(offset: .seconds(60)))
  }
}
