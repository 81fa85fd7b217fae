import AsyncPrimitives
import Testing

@Suite("Broadcasts", .timeLimit(.minutes(5)))
struct BroadcastTests {
  @Test("Every listener gets what is sent from then on, and the end")
  func elements() async {
    var broadcast: Broadcast<Int>? = Broadcast()
    broadcast?.send(1)
    let early = broadcast?.subscribe()
    broadcast?.send(2)
    let late = broadcast?.subscribe()
    broadcast?.send(3)
    broadcast = nil
    var heard: [[Int]] = []
    for stream in [early, late].compactMap(\.self) {
      heard.append(await stream.reduce(into: []) { $0.append($1) })
    }
    #expect(heard == [[2, 3], [3]])
  }

  @Test("A reader that is cancelled is forgotten")
  func cancellation() async {
    let broadcast = Broadcast<Int>()
    let stream = broadcast.subscribe()
    let (begun, signal) = AsyncStream<Void>.makeStream()
    let reader = Task {
      for await _ in stream { signal.yield() }
    }
    broadcast.send(1)
    for await _ in begun { break }
    #expect(broadcast.listenerCount == 1)
    reader.cancel()
    await reader.value
    #expect(broadcast.listenerCount == 0)
    broadcast.send(2)
  }
}

@Suite("Scopes of tasks", .timeLimit(.minutes(5)))
struct TaskScopeTests {
  @Test("A scope ends with its tasks, and what begins after the end is cancelled")
  func end() async throws {
    let scope = TaskScope()
    let gate = AsyncState(false)
    let ended = AsyncState(0)
    for _ in 0..<3 {
      scope.spawn {
        do { try await gate.wait { $0 } } catch { ended.update { $0 += 1 } }
      }
    }
    scope.cancel()
    await scope.wait()
    #expect(ended.value == 3)
    scope.spawn {
      do { try await gate.wait { $0 } } catch { ended.update { $0 += 1 } }
    }
    await scope.wait()
    #expect(ended.value == 4)
  }

  @Test(
    "A caller that is cancelled leaves at once; its work is cancelled, and the scope's to wait for")
  func leave() async throws {
    let scope = TaskScope()
    let (begun, release, isCancelled) = (AsyncState(false), AsyncState(false), AsyncState(false))
    let caller = Task {
      try await scope.run {
        begun.update { $0 = true }
        // Work that learns of its cancellation late.
        _ = await Task { try await release.wait { $0 } }.result
        isCancelled.update { $0 = Task.isCancelled }
      }
    }
    try await begun.wait { $0 }
    caller.cancel()
    await #expect(throws: CancellationError.self) { try await caller.value }
    #expect(!isCancelled.value)
    release.update { $0 = true }
    await scope.wait()
    #expect(isCancelled.value)
  }

  @Test("A caller gets what its work returns or throws")
  func outcome() async throws {
    struct Broken: Error {}
    let scope = TaskScope()
    #expect(try await scope.run { 7 } == 7)
    await #expect(throws: Broken.self) { try await scope.run { throw Broken() } }
    await scope.wait()
  }
}
