import AsyncPrimitives
import Testing

@Suite("States that tasks wait for", .timeLimit(.minutes(5)))
struct AsyncStateTests {
  /// A state that counts the looks at it, so that a test can tell when a task waits.
  private final class Watched: Sendable {
    let state = AsyncState(0)
    private let looks = AsyncState(0)

    func wait(until isMet: @escaping @Sendable (Int) -> Bool) async throws -> Int {
      try await state.wait { [looks] value in
        looks.update { $0 += 1 }
        return isMet(value)
      }
    }

    func waitForLooks(_ count: Int) async throws { try await looks.wait { $0 >= count } }
  }

  @Test("A wait ends with the value that satisfies it, at once or at the change")
  func change() async throws {
    let watched = Watched()
    #expect(try await watched.wait { $0 == 0 } == 0)
    let waiter = Task { try await watched.wait { $0 >= 2 } }
    try await watched.waitForLooks(2)
    watched.state.update { $0 = 1 }
    watched.state.update { $0 = 5 }
    #expect(try await waiter.value == 5)
    #expect(watched.state.value == 5)
  }

  @Test("A wait that is cancelled ends, whether it has begun or not, and the others go on")
  func cancellation() async throws {
    let watched = Watched()
    let waiter = Task { try await watched.wait { $0 == 1 } }
    let patient = Task { try await watched.wait { $0 == 1 } }
    try await watched.waitForLooks(2)
    waiter.cancel()
    await #expect(throws: CancellationError.self) { try await waiter.value }
    let late = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await watched.wait { $0 == 1 }
    }
    await #expect(throws: CancellationError.self) { try await late.value }
    watched.state.update { $0 = 1 }
    #expect(try await patient.value == 1)
  }

  @Test("A value that is there is given also to a task that is cancelled")
  func immediate() async throws {
    let state = AsyncState(1)
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await state.wait { $0 == 1 }
    }
    #expect(try await task.value == 1)
  }

  @Test("What is taken is taken once, by those who waited longest")
  func fairness() async throws {
    let items = AsyncState<[Int]>([])
    let looks = AsyncState(0)
    let taken = AsyncState<[String]>([])
    try await withThrowingTaskGroup { group in
      for taker in 0..<10 {
        group.addTask {
          let item = try await items.take { items in
            looks.update { $0 += 1 }
            return items.isEmpty ? nil : items.removeFirst()
          }
          taken.update { $0.append("\(taker): \(item)") }
        }
        try await looks.wait { $0 > taker }
      }
      items.update { $0 = Array(100..<110) }
      try await group.waitForAll()
    }
    #expect(Set(taken.value) == Set((0..<10).map { "\($0): \(100 + $0)" }))
    #expect(items.value.isEmpty)
  }

  @Test("What one takes may be what another waits for, in either order")
  func chain() async throws {
    let state = AsyncState(0)
    let looks = AsyncState(0)
    let empty = Task {
      try await state.wait { value in
        looks.update { $0 += 1 }
        return value == -1
      }
    }
    try await looks.wait { $0 == 1 }
    let taker = Task {
      try await state.take { value in
        looks.update { $0 += 1 }
        guard value > 0 else { return Int?.none }
        defer { value = -1 }
        return value
      }
    }
    try await looks.wait { $0 == 2 }
    state.update { $0 = 7 }
    #expect(try await taker.value == 7)
    #expect(try await empty.value == -1)
  }

  @Test("A change that throws wakes nobody and keeps what it changed")
  func failure() async throws {
    struct Broken: Error {}
    let state = AsyncState(0)
    #expect(throws: Broken.self) { try state.update { (_) throws(Broken) in throw Broken() } }
    #expect(state.value == 0)
  }
}
