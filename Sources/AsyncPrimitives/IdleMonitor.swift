import Dispatch
import Synchronization

/// Detects that everything waits: no task runs on this executor, and no request will be answered.
///
/// A clock that tests move has one (``MonitoredClock``), and goes on to its next deadline once everything
/// is idle. Nothing is measured for that. Tasks are counted by the executor: whatever resumes one,
/// a timer, a lock, an answer, puts a job into its queue before it goes on itself, so that the count
/// is zero only when every task waits. What is outside of its tasks, a request on its way through the
/// system and the service that answers it, counts until its client has the answer
/// (``withRequest(_:to:within:on:orThrow:_:)``), unless it is held: by a service that sleeps on the clock
/// before it answers, or by a fault that never answers.
///
/// Tasks on other executors are not seen. A test's own task is counted when it is a child of one that is,
/// or prefers this executor.
package final class IdleMonitor: TaskExecutor {
  private struct Request {
    /// Nil where no service holds it by what it says.
    let message: [UInt8]?
    /// The address that it goes to, as `127.0.0.1:3100`; nil where nothing on the way holds it.
    let destination: String?
    var isHeld = false
    /// Whether its client has given it up: it ends soon, whatever held it.
    var isGivenUp = false
  }

  private struct State {
    var jobs = 0
    var lastID: UInt64 = 0
    var requests: [UInt64: Request] = [:]
    var waiters: [UInt64: CheckedContinuation<Void, any Error>] = [:]

    var isIdle: Bool { jobs == 0 && requests.values.allSatisfy(\.isHeld) }

    mutating func nextID() -> UInt64 {
      lastID += 1
      return lastID
    }

    /// Who waited for what is so now.
    mutating func takeWaiters() -> [CheckedContinuation<Void, any Error>] {
      guard isIdle, !waiters.isEmpty else { return [] }
      defer { waiters = [:] }
      return waiters.sorted { $0.key < $1.key }.map(\.value)
    }
  }

  /// The message that this task answers, for a service: what it sleeps for holds the message's request.
  @TaskLocal package static var answering: [UInt8]?

  private let state = Mutex(State())
  private let queue: DispatchQueue

  /// Makes an executor without a task.
  /// - Parameter isSerial: whether jobs run one at a time, in the order in which they came: tasks of this
  ///   executor alone then always do the same in the same order.
  package init(isSerial: Bool = false) {
    queue = isSerial ? DispatchQueue(label: "serial-executor") : .global()
  }

  /// Runs a part of a task, on a thread of the system's pool.
  package func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    perform { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }

  /// Runs work that belongs to no task as a job of this executor.
  package func perform(_ work: @escaping @Sendable () -> Void) {
    state.withLock { $0.jobs += 1 }
    queue.async {
      work()
      self.change { $0.jobs -= 1 }
    }
  }

  /// Whether everything waits now.
  package var isIdle: Bool { state.withLock { $0.isIdle } }

  /// Returns once everything waits.
  /// - Throws: `CancellationError` when the task is cancelled first.
  package func waitUntilIdle() async throws {
    let id = state.withLock { $0.nextID() }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        change { state in
          // The handler may have run before there was a waiter to remove.
          guard Task.isCancelled else {
            state.waiters[id] = continuation
            return
          }
          continuation.resume(throwing: CancellationError())
        }
      }
    } onCancel: {
      let waiter = state.withLock { $0.waiters.removeValue(forKey: id) }
      waiter?.resume(throwing: CancellationError())
    }
  }

  /// A request begins, whose answer is waited for until ``end(_:)``; without both any work outside of tasks.
  package func begin(_ message: [UInt8]?, to destination: String? = nil) -> UInt64 {
    state.withLock { state in
      let id = state.nextID()
      state.requests[id] = Request(message: message, destination: destination)
      return id
    }
  }

  /// It has its answer, or will get none.
  package func end(_ id: UInt64) { change { $0.requests[id] = nil } }

  /// Its client waits for the answer no longer, and only has to notice.
  func giveUp(_ id: UInt64) {
    state.withLock { state in
      state.requests[id]?.isHeld = false
      state.requests[id]?.isGivenUp = true
    }
  }

  /// Notes that a request with this message is not answered before something else happens.
  /// - Returns: what ``release(_:)`` takes; nil when nobody monitored sent it.
  package func hold(_ message: [UInt8]) -> UInt64? {
    change { state in
      let id = state.requests.filter {
        !$0.value.isHeld && !$0.value.isGivenUp && $0.value.message == message
      }.keys.min()
      if let id { state.requests[id]?.isHeld = true }
      return id
    }
  }

  /// Notes that every request to this address is not answered before something else happens.
  package func holdAll(to destination: String) {
    change { state in
      for (id, request) in state.requests
      where request.destination == destination && !request.isGivenUp {
        state.requests[id]?.isHeld = true
      }
    }
  }

  /// Notes that a request that was held goes on.
  package func release(_ id: UInt64) { state.withLock { $0.requests[id]?.isHeld = false } }

  /// Notes that every request to this address goes on.
  package func releaseAll(to destination: String) {
    state.withLock { state in
      for (id, request) in state.requests where request.destination == destination {
        state.requests[id]?.isHeld = false
      }
    }
  }

  /// How many requests are under way, and how many of them are held.
  package var requestCounts: (all: Int, held: Int) {
    state.withLock { ($0.requests.count, $0.requests.values.count(where: \.isHeld)) }
  }

  @discardableResult
  private func change<Result>(_ body: (inout State) -> sending Result) -> sending Result {
    let (result, waiters) = state.withLock { state in
      let result = body(&state)
      return (result, state.takeWaiters())
    }
    for waiter in waiters { waiter.resume() }
    return result
  }
}

/// A clock that waits, before it goes on to its next deadline, until everything is idle.
package protocol MonitoredClock: Clock {
  /// Detects that.
  var idleMonitor: IdleMonitor { get }
}

extension Clock where Duration == Swift.Duration {
  /// What detects that everything waits for this clock; nil for a clock that goes on by itself.
  ///
  /// Tasks whose work the clock is to wait for prefer it as their executor; nil prefers none.
  package var monitor: IdleMonitor? { (self as? any MonitoredClock)?.idleMonitor }
}

/// Runs an operation that sends a message and waits for its answer, or has other threads work for it.
///
/// - Parameters:
///   - message: What is sent, by which the service that holds it back recognises it; nil where none does.
///   - destination: The address that it goes to, by which a link that holds it back recognises it; nil, as
///     `message` is, for work that ends by itself, as arithmetic does.
///   - monitor: What counts it; nil for nothing.
///   - isolation: The caller's.
///   - operation: Sends it, and returns with the answer. Its tasks run on the monitor.
/// - Throws: What the operation throws.
package func withRequest<Result: Sendable>(
  _ message: @autoclosure () -> [UInt8]?, to destination: String? = nil,
  monitoredBy monitor: IdleMonitor?,
  isolation: isolated (any Actor)? = #isolation, _ operation: () async throws -> Result
) async throws -> Result {
  guard let monitor else { return try await operation() }
  let id = monitor.begin(message(), to: destination)
  defer { monitor.end(id) }
  return try await withTaskCancellationHandler {
    try await withTaskExecutorPreference(monitor) {
      // What is asked in turn is no part of what this task answers: it counts by itself.
      try await IdleMonitor.$answering.withValue(nil) { try await operation() }
    }
  } onCancel: {
    monitor.giveUp(id)
  }
}

/// Runs an operation that sends a message and waits for its answer, and cancels it when a clock says that
/// its time is over.
///
/// - Parameters:
///   - message: What is sent, by which the service that holds it back recognises it; nil where none does.
///   - destination: The address that it goes to, by which a link that holds it back recognises it.
///   - limit: How long it may take.
///   - clock: What measures that, and counts the request if tests move it.
///   - late: The error when it took longer; made only then.
///   - operation: Sends it, and returns with the answer.
/// - Throws: The operation's error, `late`, or `CancellationError`.
package func withRequest<Result: Sendable>(
  _ message: @autoclosure () -> [UInt8]?, to destination: @autoclosure () -> String? = nil,
  within limit: Duration, on clock: any Clock<Duration>,
  orThrow late: @autoclosure () -> any Error = DeadlineExceeded(),
  _ operation: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  guard let monitor = clock.monitor else {
    return try await withDeadline(limit, on: clock, orThrow: late(), operation)
  }
  let id = monitor.begin(message(), to: destination())
  defer { monitor.end(id) }
  return try await withTaskExecutorPreference(monitor) {
    try await IdleMonitor.$answering.withValue(nil) {
      try await withDeadline(limit, on: clock, orThrow: late()) {
        try await withTaskCancellationHandler {
          try await operation()
        } onCancel: {
          monitor.giveUp(id)
        }
      }
    }
  }
}
