import Synchronization

/// Makes blocks by time: waits, on an injected clock, until the next one is due.
final class BlockProducer: Sendable {
  private struct State {
    var interval: Duration?
    var generation: UInt64 = 0
    var pause: Task<Void, any Error>?
  }

  private let clock: any Clock<Duration>
  private let state = Mutex(State())

  init(clock: any Clock<Duration>) { self.clock = clock }

  /// Sets the block time; nil for no blocks by time.
  ///
  /// A wait in progress begins anew.
  func setInterval(_ interval: Duration?) {
    let pause = state.withLock { state -> Task<Void, any Error>? in
      guard interval != state.interval else { return nil }
      state.interval = interval
      state.generation += 1
      return state.pause
    }
    pause?.cancel()
  }

  /// Calls `produce` each time a block is due, until the task is cancelled.
  func run(_ produce: () -> Void) async {
    while !Task.isCancelled {
      let (interval, generation) = state.withLock { ($0.interval, $0.generation) }
      let pause = Task { [clock] in
        guard let interval else { return try await Self.waitForCancellation() }
        try await clock.sleep(for: min(interval, MiningMode.longestInterval))
      }
      let isCurrent = state.withLock { state in
        state.pause = pause
        return state.generation == generation
      }
      if !isCurrent { pause.cancel() }
      let result = await withTaskCancellationHandler {
        await pause.result
      } onCancel: {
        pause.cancel()
      }
      if case .success = result, !Task.isCancelled { produce() }
    }
  }

  private static func waitForCancellation() async throws {
    let (stream, continuation) = AsyncStream<Never>.makeStream()
    for await _ in stream {}
    continuation.finish()
    throw CancellationError()
  }
}
