import MockServing
import Testing

@Suite("Journal", .timeLimit(.minutes(5))) struct JournalTests {
  @Test("A full journal forgets its oldest entries and keeps counting")
  func bounded() {
    let journal = Journal<Int>(capacity: 3)
    (1...5).forEach(journal.record)
    #expect(journal.entries == [3, 4, 5])
    #expect(journal.count == 5)
  }

  @Test("A wait finds what was recorded before it began")
  func findsThePast() async throws {
    let journal = Journal<Int>()
    (1...4).forEach(journal.record)
    #expect(try await journal.next { $0 > 2 } == 3)
    #expect(try await journal.wait(forCount: 2) { $0.isMultiple(of: 2) } == [2, 4])
  }

  @Test("A wait ends when the entry it waits for comes")
  func findsTheFuture() async throws {
    let journal = Journal<Int>()
    async let found = journal.wait(forCount: 3) { $0 > 10 }
    for number in [1, 11, 2, 12, 13, 14] { journal.record(number) }
    #expect(try await found == [11, 12, 13])
  }

  @Test("A wait from a position does not look behind it")
  func position() async throws {
    let journal = Journal<Int>()
    (1...4).forEach(journal.record)
    let position = journal.count
    async let found = journal.next(after: position)
    journal.record(5)
    #expect(try await found == 5)
  }

  @Test("A cancelled wait ends with an error")
  func cancellation() async throws {
    let journal = Journal<Int>()
    let wait = Task { try await journal.next() }
    wait.cancel()
    await #expect(throws: CancellationError.self) { try await wait.value }
    journal.record(1)
    #expect(journal.entries == [1])
  }

  @Test("A hundred waits are each ended by their own entry")
  func manyWaits() async throws {
    let journal = Journal<Int>()
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for number in 0..<100 {
        group.addTask { try await journal.next { $0 == number } == number }
        group.addTask {
          journal.record(number)
          return true
        }
      }
      for try await isRight in group { #expect(isRight) }
    }
  }
}
