import AsyncPrimitives
package import Bloom

/// A queue whose work is computed in batches on compute threads, or where it comes when it is small.
///
/// While one batch computes, more comes; the next batch takes of it what fits. What is not done
/// after its batch waits again, behind what came meanwhile. Work of participants, which bring more once they
/// have their answers, is computed together (``Lockstep``).
package final class BatchQueue<Work: Sendable, Answer: Sendable>: Sendable {
  /// Hands a job to compute threads; it is run again for as long as it asks for that.
  package typealias Submit = @Sendable (@escaping @Sendable () -> ComputePool.Continuation) -> Void

  /// What a batch made of a piece of work.
  enum Outcome: Sendable {
    case done(Result<Answer, any Error>)
    /// What is to wait for another batch.
    case unfinished(Work)
  }

  /// Who brings piece after piece, each after the answer to the one before.
  ///
  /// It takes part for as long as it lives.
  package final class Participant: Sendable {
    fileprivate let id: UInt64
    private let leave: @Sendable (UInt64) -> Void

    fileprivate init(id: UInt64, leave: @escaping @Sendable (UInt64) -> Void) {
      self.id = id
      self.leave = leave
    }

    deinit { leave(id) }
  }

  private struct Job: Sendable {
    let id: UInt64
    let participant: UInt64?
    var work: Work
    let answer: CheckedContinuation<Answer, any Error>
  }

  private struct State: Sendable {
    var waiting: [Job] = []
    var computing: Set<UInt64> = []
    /// Those of `computing` whose callers have left.
    var cancelled: Set<UInt64> = []
    /// Whether a job of this queue is with the compute threads.
    var isSubmitted = false
    var lastID: UInt64 = 0
    var batches = 0
    var lockstep: Lockstep<UInt64>
    /// Since when the next batch could have begun; nil while none could.
    var readySince: Duration?
    /// The wait under way for participants that are expected.
    var pause: Pause?
  }

  private struct Pause: Sendable {
    let id: UInt64
    let end: Duration
    let timer: Task<Void, Never>
  }

  private let capacity: Int
  private let admit: @Sendable (Work, inout Int) -> Work?
  private let compute: @Sendable ([Work]) -> [Outcome]
  private let submit: Submit
  /// Whether work is computed by who brings it; nil where that is never so.
  private let isSmall: (@Sendable ([Work]) -> Bool)?
  private let waits: @Sendable ([Work]) -> Bool
  private let time: Stopwatch
  private let state: AsyncState<State>

  /// An empty queue.
  ///
  /// - Parameters:
  ///   - capacity: What fits into one batch, in a unit of `admit`'s.
  ///   - submit: Nil takes the process's compute threads.
  ///   - patience: Passes that a batch may wait for participants that are expected.
  ///   - clock: Measures how long participants are away.
  ///   - isSmall: Whether these pieces take less time than waking another thread and being woken by it; then
  ///     who brings the last of them computes, unless `submit` or the task's pool is to.
  ///   - waits: Whether these pieces may wait for participants that are expected.
  ///   - admit: What a batch takes of a piece of work, given the remaining capacity, which it
  ///     reduces; nil leaves the piece to the next batch. The first piece must be taken.
  ///   - compute: A batch: an outcome for each piece, in their order.
  init(
    capacity: Int, submit: Submit?, patience: Double, clock: any Clock<Duration>,
    isSmall: @escaping @Sendable ([Work]) -> Bool,
    waits: @escaping @Sendable ([Work]) -> Bool,
    admit: @escaping @Sendable (Work, inout Int) -> Work?,
    compute: @escaping @Sendable ([Work]) -> [Outcome]
  ) {
    self.capacity = capacity
    state = AsyncState(State(lockstep: Lockstep(patience: patience)))
    time = Stopwatch(clock)
    self.waits = waits
    self.isSmall = submit == nil ? isSmall : nil
    self.submit = submit ?? { ComputePool.current.submit($0) }
    self.admit = admit
    self.compute = compute
  }

  /// Batches that were computed.
  var batches: Int { state.value.batches }

  /// Pieces that wait for their next batch.
  var waiting: Int { state.value.waiting.count }

  /// Waits until so many pieces wait for a batch.
  ///
  /// - Throws: `CancellationError`.
  func waitUntilWaiting(_ count: Int) async throws {
    try await state.wait { $0.waiting.count >= count }
  }

  /// Somebody who will bring piece after piece.
  package func participant() -> Participant {
    let id = state.update { state in
      state.lastID += 1
      return state.lastID
    }
    return Participant(id: id) { [weak self] in self?.leave($0) }
  }

  private func leave(_ id: UInt64) {
    let begins = state.update { state in
      state.lockstep.leave(id)
      return decide(&state)
    }
    if begins { submit { self.runBatch() } }
  }

  /// What the batches make of a piece of work.
  ///
  /// - Throws: What the computation throws; `CancellationError`, once nothing computes on the piece.
  func answer(to work: Work, from participant: Participant? = nil) async throws -> Answer {
    let id = state.update { state in
      state.lastID += 1
      return state.lastID
    }
    // It takes part until it has its answer, whatever becomes of its owner meanwhile.
    defer { withExtendedLifetime(participant) {} }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation {
        add(Job(id: id, participant: participant?.id, work: work, answer: $0))
      }
    } onCancel: {
      cancel(id)
    }
  }

  private func add(_ job: Job) {
    let now = time.elapsed
    let begins: (isNow: Bool, isHere: Bool)? = state.update { state in
      // The handler may have run before there was a job to remove.
      if Task.isCancelled { return nil }
      state.waiting.append(job)
      if let participant = job.participant { state.lockstep.arrive(participant, at: now) }
      let isNow = decide(&state)
      return (isNow, isNow && isComputedHere(state.waiting))
    }
    guard let begins else { return job.answer.resume(throwing: CancellationError()) }
    // What came meanwhile is no part of the small batch: it waits for a compute thread.
    if begins.isHere ? runBatch() == .again : begins.isNow { submit { self.runBatch() } }
  }

  /// Whether a batch is computed by who brings its last piece: a pool that orders its jobs does so itself.
  private func isComputedHere(_ jobs: [Job]) -> Bool {
    guard let isSmall, ComputePool.current === ComputePool.shared else { return false }
    return isSmall(jobs.map(\.work))
  }

  /// Whether the work that waits is to be submitted now.
  ///
  /// What waits for expected participants is looked at again when one of them comes or leaves, and when the
  /// time is over.
  private func decide(_ state: inout State) -> Bool {
    guard !state.isSubmitted, !state.waiting.isEmpty else { return false }
    let now = time.elapsed
    let ready = state.readySince ?? now
    // A pool that orders its jobs itself has no time in which anything could come.
    if ComputePool.current === ComputePool.shared, waits(state.waiting.map(\.work)),
      let deadline = state.lockstep.deadline(
        waiting: state.waiting.compactMap(\.participant), ready: ready, now: now)
    {
      state.readySince = ready
      pause(&state, until: deadline)
      return false
    }
    endPause(&state)
    state.readySince = nil
    state.isSubmitted = true
    return true
  }

  private func pause(_ state: inout State, until deadline: Duration) {
    // A timer that ends a little later will do.
    if let pause = state.pause, pause.end <= deadline + .milliseconds(1) { return }
    endPause(&state)
    state.lastID += 1
    let id = state.lastID
    let timer = Task { [weak self, time] in
      // Cancelled when the batch begins without it.
      guard (try? await time.sleep(until: deadline)) != nil else { return }
      self?.pauseEnded(id)
    }
    state.pause = Pause(id: id, end: deadline, timer: timer)
  }

  private func endPause(_ state: inout State) {
    state.pause?.timer.cancel()
    state.pause = nil
  }

  private func pauseEnded(_ id: UInt64) {
    let begins = state.update { state in
      guard state.pause?.id == id else { return false }
      state.pause = nil
      return decide(&state)
    }
    if begins { submit { self.runBatch() } }
  }

  private func cancel(_ id: UInt64) {
    let job: Job? = state.update { state in
      if state.computing.contains(id) { state.cancelled.insert(id) }
      let job = state.waiting.firstIndex { $0.id == id }.map { state.waiting.remove(at: $0) }
      // Who gave up a piece brings the next one at nobody knows what time.
      if let participant = job?.participant { state.lockstep.leave(participant) }
      return job
    }
    job?.answer.resume(throwing: CancellationError())
  }

  // MARK: - Where a batch is computed

  private func runBatch() -> ComputePool.Continuation {
    let jobs = state.update { take(from: &$0) }
    let begun = time.elapsed
    let outcomes = jobs.isEmpty ? [] : compute(jobs.map(\.work))
    let ended = time.elapsed
    var answers: [(job: Job, result: Result<Answer, any Error>)] = []
    var unfinished: [Job] = []
    for (job, outcome) in zip(jobs, outcomes) {
      switch outcome {
      case .done(let result):
        answers.append((job, result))
      case .unfinished(let work):
        unfinished.append(
          Job(id: job.id, participant: job.participant, work: work, answer: job.answer))
      }
    }
    let answered = answers.compactMap(\.job.participant)
    let (cancelled, goesOn) = state.update { [unfinished] state in
      let cancelled = state.cancelled
      state.cancelled = []
      state.computing = []
      state.batches += jobs.isEmpty ? 0 : 1
      // Behind those that came meanwhile: they take turns.
      state.waiting += unfinished.filter { !cancelled.contains($0.id) }
      state.isSubmitted = false
      if !jobs.isEmpty { state.lockstep.answer(answered, after: ended - begun, at: ended) }
      return (cancelled, decide(&state))
    }
    for job in unfinished where cancelled.contains(job.id) {
      job.answer.resume(throwing: CancellationError())
    }
    for (job, result) in answers {
      job.answer.resume(with: cancelled.contains(job.id) ? .failure(CancellationError()) : result)
    }
    return goesOn ? .again : .finished
  }

  private func take(from state: inout State) -> [Job] {
    var capacity = capacity
    var taken: [Job] = []
    var rest: [Job] = []
    for var job in state.waiting {
      if let work = admit(job.work, &capacity) {
        job.work = work
        taken.append(job)
      } else {
        rest.append(job)
      }
    }
    state.waiting = rest
    state.computing = Set(taken.map(\.id))
    return taken
  }
}
