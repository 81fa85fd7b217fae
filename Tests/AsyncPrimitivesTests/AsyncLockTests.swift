import AsyncPrimitives
import Testing

@Suite("Asynchronous locks", .timeLimit(.minutes(5)))
struct AsyncLockTests {
  private struct Broken: Error {}

  @Test("One operation at a time, in the order they came")
  func order() async throws {
    let locks = KeyedAsyncLock<String>()
    let entered = AsyncState<[Int]>([])
    await locks.lock("a")
    try await withThrowingTaskGroup { group in
      for number in 0..<20 {
        group.addTask {
          try await locks.withLock(for: "a") {
            entered.update { $0.append(number) }
            await Task.yield()
            #expect(entered.value.last == number)
          }
        }
        try await locks.wait(forWaiters: number + 1, of: "a")
      }
      #expect(entered.value.isEmpty)
      locks.unlock("a")
      try await group.waitForAll()
    }
    #expect(entered.value == Array(0..<20))
    #expect(locks.waiterCount("a") == 0)
  }

  @Test("Another key's lock is free meanwhile")
  func keys() async throws {
    let locks = KeyedAsyncLock<String>()
    await locks.lock("a")
    #expect(try await locks.withLock(for: "b") { 7 } == 7)
    locks.unlock("a")
    #expect(try await locks.withLock(for: "a") { 8 } == 8)
  }

  @Test("A waiter that is cancelled leaves, and the lock goes to the next")
  func cancellation() async throws {
    let locks = KeyedAsyncLock<String>()
    await locks.lock("a")
    let first = Task { try await locks.withLock(for: "a") { 1 } }
    try await locks.wait(forWaiters: 1, of: "a")
    let second = Task { try await locks.withLock(for: "a") { 2 } }
    try await locks.wait(forWaiters: 2, of: "a")
    first.cancel()
    await #expect(throws: CancellationError.self) { try await first.value }
    #expect(locks.waiterCount("a") == 1)
    locks.unlock("a")
    #expect(try await second.value == 2)
  }

  @Test("A task that is cancelled before it waits does not wait")
  func cancelledBefore() async {
    let locks = KeyedAsyncLock<String>()
    await locks.lock("a")
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      try await locks.withLock(for: "a") {}
    }
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(locks.waiterCount("a") == 0)
  }

  @Test("lock() waits also in a task that is cancelled")
  func uncancellable() async throws {
    let locks = KeyedAsyncLock<String>()
    await locks.lock("a")
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      await locks.lock("a")
      return 3
    }
    try await locks.wait(forWaiters: 1, of: "a")
    locks.unlock("a")
    #expect(await task.value == 3)
    #expect(locks.waiterCount("a") == 0)
  }

  @Test("An operation that throws leaves the lock free")
  func failure() async throws {
    let lock = AsyncLock()
    await #expect(throws: Broken.self) { try await lock.withLock { throw Broken() } }
    #expect(try await lock.withLock { 4 } == 4)
    await lock.lock()
    lock.unlock()
  }
}
