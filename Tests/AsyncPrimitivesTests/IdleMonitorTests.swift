import AsyncPrimitives
import Testing

@Suite("A monitor of what is idle", .timeLimit(.minutes(5)))
struct IdleMonitorTests {
  let monitor = IdleMonitor()

  @Test("It is idle once its tasks wait, and not before")
  func tasks() async throws {
    let (monitor, gate) = (monitor, AsyncState(0))
    #expect(monitor.isIdle)
    let task = Task(executorPreference: monitor) {
      for step in 1...100 {
        await Task.yield()
        gate.update { $0 = step }
      }
      try await gate.wait { $0 == 101 }
      gate.update { $0 = 102 }
    }
    try await monitor.waitUntilIdle()
    #expect(gate.value == 100)
    gate.update { $0 = 101 }
    try await monitor.waitUntilIdle()
    #expect(gate.value == 102)
    try await task.value
  }

  @Test("Children of its tasks count, and tasks that they resume")
  func children() async throws {
    let (monitor, done) = (monitor, AsyncState(0))
    let task = Task(executorPreference: monitor) {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<50 {
          group.addTask {
            try await done.wait { $0 >= number }
            done.update { $0 += 1 }
          }
        }
        try await group.waitForAll()
      }
    }
    try await monitor.waitUntilIdle()
    #expect(done.value == 50)
    try await task.value
  }

  @Test("A request counts until it has its answer, unless it is held")
  func requests() async throws {
    let (monitor, answer) = (monitor, AsyncState(false))
    let asking = Task {
      try await withRequest([1, 2], monitoredBy: monitor) { try await answer.wait { $0 } }
    }
    while monitor.requestCounts.all == 0 { await Task.yield() }
    #expect(!monitor.isIdle)
    #expect(monitor.hold([9]) == nil)
    let held = try #require(monitor.hold([1, 2]))
    try await monitor.waitUntilIdle()
    #expect(monitor.requestCounts == (1, 1))
    #expect(monitor.hold([1, 2]) == nil, "it is held once")
    monitor.release(held)
    #expect(!monitor.isIdle)
    answer.update { $0 = true }
    #expect(try await asking.value)
    try await monitor.waitUntilIdle()
    #expect(monitor.requestCounts == (0, 0))
  }

  @Test("A wait ends when its task is cancelled")
  func cancelled() async throws {
    let (monitor, answer) = (monitor, AsyncState(false))
    let asking = Task {
      try await withRequest([1], monitoredBy: monitor) { try await answer.wait { $0 } }
    }
    while monitor.requestCounts.all == 0 { await Task.yield() }
    let waiting = Task { try await monitor.waitUntilIdle() }
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
    answer.update { $0 = true }
    #expect(try await asking.value)
  }

  @Test("A serial executor runs tasks in the order in which they became ready")
  func serial() async throws {
    let (monitor, order) = (IdleMonitor(isSerial: true), AsyncState<[Int]>([]))
    let root = Task(executorPreference: monitor) {
      await withTaskGroup { group in
        for number in 0..<100 {
          group.addTask {
            order.update { $0.append(number) }
            await Task.yield()
            order.update { $0.append(100 + number) }
          }
        }
      }
      monitor.perform { order.update { $0.append(200) } }
    }
    await root.value
    try await monitor.waitUntilIdle()
    #expect(order.value == Array(0...200))
  }
}
