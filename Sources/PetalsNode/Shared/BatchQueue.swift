import AsyncPrimitives
package import Bloom

/// A queue whose work is computed in batches on compute threads.
///
/// While one batch computes, more comes; the next batch takes of it what fits. What is not done
/// after its batch waits again, behind what came meanwhile.
package final class BatchQueue<Work: Sendable, Answer: Sendable>: Sendable {
  /// Hands a job to compute threads; it is run again for as long as it asks for that.
  package typealias Submit = @Sendable (@escaping @Sendable () -> ComputePool.Continuation) -> Void

  /// What a batch made of a piece of work.
  enum Outcome: Sendable {
    case done(Result<Answer, any Error>)
    /// What is to wait for another batch.
    case unfinished(Work)
  }

  private struct Job: Sendable {
    let id: UInt64
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
  }

  private let capacity: Int
  private let admit: @Sendable (Work, inout Int) -> Work?
  private let compute: @Sendable ([Work]) -> [Outcome]
  private let submit: Submit
  private let state = AsyncState(State())

  /// An empty queue.
  ///
  /// - Parameters:
  ///   - capacity: What fits into one batch, in a unit of `admit`'s.
  ///   - submit: Nil takes the compute threads of the task that brings work.
  ///   - admit: What a batch takes of a piece of work, given the remaining capacity, which it
  ///     reduces; nil leaves the piece to the next batch. The first piece must be taken.
  ///   - compute: A batch: an outcome for each piece, in their order.
  init(
    capacity: Int, submit: Submit?,
    admit: @escaping @Sendable (Work, inout Int) -> Work?,
    compute: @escaping @Sendable ([Work]) -> [Outcome]
  ) {
    self.capacity = capacity
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

  /// What the batches make of a piece of work.
  ///
  /// - Throws: What the computation throws; `CancellationError`, once nothing computes on the piece.
  func answer(to work: Work) async throws -> Answer {
    let id = state.update { state in
      state.lastID += 1
      return state.lastID
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { add(Job(id: id, work: work, answer: $0)) }
    } onCancel: {
      cancel(id)
    }
  }

  private func add(_ job: Job) {
    let begins: Bool? = state.update { state in
      // The handler may have run before there was a job to remove.
      if Task.isCancelled { return nil }
      state.waiting.append(job)
      defer { state.isSubmitted = true }
      return !state.isSubmitted
    }
    guard let begins else { return job.answer.resume(throwing: CancellationError()) }
    if begins { submit { self.runBatch() } }
  }

  private func cancel(_ id: UInt64) {
    let job: Job? = state.update { state in
      if state.computing.contains(id) { state.cancelled.insert(id) }
      return state.waiting.firstIndex { $0.id == id }.map { state.waiting.remove(at: $0) }
    }
    job?.answer.resume(throwing: CancellationError())
  }

  // MARK: - On a compute thread

  private func runBatch() -> ComputePool.Continuation {
    let jobs = state.update { take(from: &$0) }
    let outcomes = jobs.isEmpty ? [] : compute(jobs.map(\.work))
    var answers: [(job: Job, result: Result<Answer, any Error>)] = []
    var unfinished: [Job] = []
    for (job, outcome) in zip(jobs, outcomes) {
      switch outcome {
      case .done(let result):
        answers.append((job, result))
      case .unfinished(let work):
        unfinished.append(Job(id: job.id, work: work, answer: job.answer))
      }
    }
    let (cancelled, goesOn) = state.update { [unfinished] state in
      let cancelled = state.cancelled
      state.cancelled = []
      state.computing = []
      state.batches += jobs.isEmpty ? 0 : 1
      // Behind those that came meanwhile: they take turns.
      state.waiting += unfinished.filter { !cancelled.contains($0.id) }
      state.isSubmitted = !state.waiting.isEmpty
      return (cancelled, state.isSubmitted)
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
