import BloomKernels
import DequeModule
import Foundation
import Synchronization

/// The threads on which all model arithmetic of the process runs.
///
/// Arithmetic on the cooperative pool would starve whatever else the process does (gRPC, timers) for
/// milliseconds at a time; threads of each node's own would trample each other. So there is one pool,
/// sized to the cores. A job runs on one thread; a product that is large enough is cut into parts
/// which idle threads help with. With as many jobs as cores, each keeps to its own thread.
/// `BLOOM_THREADS` in the environment sets another number of threads, for processes that are to share
/// a machine by a fixed plan. Where it holds no such number, or `BLOOM_KERNELS` no set of kernels that the
/// processor has, the process's pool computes nothing that can be refused.
package final class ComputePool: @unchecked Sendable {
  // Sendable: `jobs`, `teams` and `sharing` are touched under `condition` alone; the rest is atomic or
  // constant.

  /// What happens to a job after a step.
  package enum Continuation {
    case finished
    /// To run again, after the jobs that wait by then.
    case again
  }

  /// The process's pool.
  package static let shared: ComputePool = {
    let information = ProcessInfo.processInfo
    let cores = information.activeProcessorCount
    do throws(EnvironmentError) {
      try KernelSet.check(information.environment["BLOOM_KERNELS"])
      return ComputePool(
        threads: try threadCount(information.environment["BLOOM_THREADS"], cores: cores))
    } catch {
      return ComputePool(threads: max(1, cores), refusal: error)
    }
  }()

  /// The pool that runs the jobs of a task: the process's, unless the task was given another one.
  ///
  /// A product that is cut into parts has them computed by the process's threads in any case: its caller
  /// waits for them where it stands.
  @TaskLocal package static var current: ComputePool = .shared

  /// Up to so many multiplications, some 0.2 ms of work, whoever needs the result had better compute it.
  ///
  /// Handing work to a thread of the pool and being woken by it takes two wake-ups, 50 to 400 µs.
  package static let smallWork = 1 << 21

  /// The most threads that can be asked for.
  private static let mostThreads = 1024

  /// The number of a pool's threads: the setting, or the number of cores if it is missing or empty.
  package static func threadCount(
    _ setting: String?, cores: Int
  ) throws(EnvironmentError) -> Int {
    guard let setting, !setting.isEmpty else { return max(1, cores) }
    guard let asked = Int(setting), (1...mostThreads).contains(asked) else {
      throw EnvironmentError(
        variable: "BLOOM_THREADS", expected: "a whole number from 1 to \(mostThreads)",
        found: setting)
    }
    return asked
  }

  package let threads: Int
  /// Why this pool computes nothing that can be refused.
  package let refusal: EnvironmentError?
  private let condition = NSCondition()
  private var jobs: Deque<() -> Continuation> = []
  private var teams: [ComputeTeam] = []
  private var sharing = SharingTrial()
  /// Grows with each job and team; a thread about to sleep watches it for a moment.
  private let arrivals = Atomic<Int>(0)
  /// Jobs that threads work on.
  private let running = Atomic<Int>(0)
  private let finished = NSCondition()

  /// How long a thread without work stays awake while another thread has a job.
  ///
  /// The products of a job follow each other within microseconds, a wake-up costs tens of them. When
  /// nobody has a job, whoever brings the next one needs the core.
  private static let spinDuration = Duration.microseconds(30)

  /// Where jobs run in place of threads of the pool's own.
  private let executor: (@Sendable (@escaping @Sendable () -> Void) -> Void)?

  /// Makes a pool without threads.
  /// - Parameter executor: runs each step of a job that it is handed, later, one at a time.
  package init(executor: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void) {
    threads = 1
    refusal = nil
    self.executor = executor
    BLAS.useOneThread()
  }

  package init(threads: Int, refusal: EnvironmentError? = nil) {
    self.threads = threads
    self.refusal = refusal
    executor = nil
    BLAS.useOneThread()
    for index in 0..<threads {
      let thread = Thread { [unowned self] in
        bloom_name_thread("bloom-\(index)")
        serve()
      }
      thread.stackSize = 1 << 20
      thread.start()
    }
  }

  /// Runs `body` on a pool thread; cancelling the task reaches it through its argument.
  package func run<Result: Sendable>(
    _ body: @escaping @Sendable (Cancellation) throws -> Result
  ) async throws -> Result {
    if let refusal { throw refusal }
    let cancellation = Cancellation()
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        submit {
          continuation.resume(with: Swift.Result { try body(cancellation) })
          return .finished
        }
      }
    } onCancel: {
      cancellation.cancel()
    }
  }

  /// Runs `step` on pool threads until it returns a result, letting waiting jobs in between steps.
  package func runSteps<Result: Sendable>(
    _ step: @escaping @Sendable (Cancellation) throws -> Result?
  ) async throws -> Result {
    if let refusal { throw refusal }
    let cancellation = Cancellation()
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        submit {
          do {
            guard let result = try step(cancellation) else { return .again }
            continuation.resume(returning: result)
          } catch {
            continuation.resume(throwing: error)
          }
          return .finished
        }
      }
    } onCancel: {
      cancellation.cancel()
    }
  }

  /// Queues a job.
  package func submit(_ job: @escaping () -> Continuation) {
    if let executor {
      nonisolated(unsafe) let job = job
      return executor {
        Self.$current.withValue(self) { if job() == .again { self.submit(job) } }
      }
    }
    condition.lock()
    jobs.append(job)
    arrivals.wrappingAdd(1, ordering: .releasing)
    condition.signal()
    condition.unlock()
  }

  /// Calls `body` with each part below `parts`, here and on idle threads, until all are done.
  ///
  /// Meant for the inside of a job; elsewhere the calling thread does a job's work.
  package func parallel(_ parts: Int, _ body: @escaping (Int) -> Void) {
    guard parts > 1, threads > 1 else {
      for part in 0..<parts { body(part) }
      return
    }
    let team = ComputeTeam(parts: parts, body: body)
    condition.lock()
    teams.append(team)
    arrivals.wrappingAdd(1, ordering: .releasing)
    condition.unlock()
    // Who wakes up wants the lock.
    if threads > 2 && parts > 2 { condition.broadcast() } else { condition.signal() }
    team.work()
    condition.lock()
    teams.removeAll { $0 === team }
    condition.unlock()
    finish(team)
  }

  /// As ``parallel(_:_:)``, for parts that take microseconds: here alone where that is faster, as while other
  /// programs keep the cores busy.
  ///
  /// - Parameters:
  ///   - parts: How many there are.
  ///   - work: Multiplications of all of them.
  ///   - body: Computes a part.
  package func parallelIfFaster(_ parts: Int, work: Int, _ body: @escaping (Int) -> Void) {
    guard parts > 1, threads > 1 else { return parallel(parts, body) }
    condition.lock()
    let isShared = sharing.isShared
    condition.unlock()
    let began = ContinuousClock.now
    if isShared {
      parallel(parts, body)
    } else {
      for part in 0..<parts { body(part) }
    }
    let time = ContinuousClock.now - began
    condition.lock()
    sharing.count(wasShared: isShared, time: time, work: work)
    condition.unlock()
  }
}

extension ComputePool {
  /// A thread's life.
  private func serve() {
    while true {
      condition.lock()
      if let job = jobs.popFirst() {
        condition.unlock()
        running.wrappingAdd(1, ordering: .relaxed)
        execute(job)
        running.wrappingSubtract(1, ordering: .relaxed)
      } else if let team = teams.first(where: \.isOpen) {
        team.helpers.wrappingAdd(1, ordering: .sequentiallyConsistent)
        condition.unlock()
        team.work()
        leave(team)
      } else {
        let seen = arrivals.load(ordering: .acquiring)
        condition.unlock()
        let mayHelp = running.load(ordering: .relaxed) > 0
        if !mayHelp || !arrives(after: seen) { sleep(unlessAfter: seen) }
      }
    }
  }

  private func execute(_ job: @escaping () -> Continuation) {
    while job() == .again {
      condition.lock()
      if !jobs.isEmpty {
        jobs.append(job)
        condition.unlock()
        return
      }
      condition.unlock()
    }
  }

  private func sleep(unlessAfter seen: Int) {
    condition.lock()
    while arrivals.load(ordering: .acquiring) == seen { condition.wait() }
    condition.unlock()
  }

  /// Whether new work comes within a moment.
  private func arrives(after seen: Int) -> Bool {
    spin { arrivals.load(ordering: .acquiring) != seen }
  }

  private func leave(_ team: ComputeTeam) {
    let left = team.helpers.wrappingSubtract(1, ordering: .sequentiallyConsistent).newValue
    if left == 0, team.leaderWaits.load(ordering: .sequentiallyConsistent) {
      finished.lock()
      finished.broadcast()
      finished.unlock()
    }
  }

  /// Waits until no helper is inside a team that no further helper can enter.
  private func finish(_ team: ComputeTeam) {
    func isDone() -> Bool { team.helpers.load(ordering: .sequentiallyConsistent) == 0 }
    if spin(until: isDone) { return }
    finished.lock()
    // Either the last helper sees this flag and wakes us, or we see that it has left.
    team.leaderWaits.store(true, ordering: .sequentiallyConsistent)
    while !isDone() { finished.wait() }
    finished.unlock()
  }

  private func spin(until isDone: () -> Bool) -> Bool {
    if isDone() { return true }
    let deadline = ContinuousClock.now + Self.spinDuration
    repeat {
      for _ in 0..<16 {
        if isDone() { return true }
        bloom_pause()
      }
    } while ContinuousClock.now < deadline
    return false
  }
}
