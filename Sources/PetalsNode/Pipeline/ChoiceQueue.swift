package import Bloom

/// Where the generations of a client wait for their next tokens, to be scored together.
///
/// The head's matrix is the greatest of a model: reading it once serves all generations that wait
/// for a token, as one pass over the blocks serves all their steps. Each gets the scores that it
/// would get alone, up to the rounding of sums in another order.
package final class ChoiceQueue: Sendable {
  /// Scores rows `[generations, hidden]`, on a compute thread.
  package typealias Score = @Sendable (HiddenStates) throws -> Logits

  /// A generation that waits for its next token.
  private struct Job: Sendable {
    let id: UInt64
    /// `[1, hidden]`.
    let state: HiddenStates
    /// What is made of the row's scores.
    let choose: @Sendable (ArraySlice<Float>) throws -> Choice
    let answer: CheckedContinuation<Choice, any Error>
  }

  /// A token, and what it is as an input.
  package struct Choice: Sendable {
    package let id: Int32
    package let embedding: HiddenStates

    package init(id: Int32, embedding: HiddenStates) {
      self.id = id
      self.embedding = embedding
    }
  }

  private struct State: Sendable {
    var waiting: [Job] = []
    /// Whether a job of this queue is with the compute threads.
    var isSubmitted = false
    var lastID: UInt64 = 0
  }

  /// Rows of one round: their scores take a few megabytes each, and gain no more by being together.
  package static let mostRows = 16

  private let score: Score
  private let submit: StepQueue.Submit
  private let state = Watched(State())

  /// A queue for the generations of a client.
  ///
  /// - Parameters:
  ///   - score: The head.
  ///   - submit: Nil takes the process's compute threads.
  package init(submit: StepQueue.Submit? = nil, _ score: @escaping Score) {
    self.score = score
    self.submit = submit ?? { ComputePool.shared.submit($0) }
  }

  /// Waits until so many generations wait for a round.
  ///
  /// - Throws: `CancellationError`.
  package func waitUntilWaiting(_ count: Int) async throws {
    try await state.wait { $0.waiting.count >= count }
  }

  /// The choice after a hidden state `[1, hidden]`.
  ///
  /// - Throws: What the scores or the choice throw; `CancellationError`.
  package func choose(
    after state: HiddenStates, _ choose: @escaping @Sendable (ArraySlice<Float>) throws -> Choice
  ) async throws -> Choice {
    let id = self.state.update { state in
      state.lastID += 1
      return state.lastID
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { answer in
        add(Job(id: id, state: state, choose: choose, answer: answer))
      }
    } onCancel: {
      leave(id)
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
    if begins { submit { self.round() } }
  }

  /// Takes one out that still waits; what is being scored takes no longer than that round.
  private func leave(_ id: UInt64) {
    let job = state.update { state in
      state.waiting.firstIndex { $0.id == id }.map { state.waiting.remove(at: $0) }
    }
    job?.answer.resume(throwing: CancellationError())
  }

  // MARK: - On a compute thread

  private func round() -> ComputePool.Continuation {
    let jobs = state.update { state in
      let jobs = Array(state.waiting.prefix(Self.mostRows))
      state.waiting.removeFirst(jobs.count)
      return jobs
    }
    let results = choices(jobs)
    let goesOn = state.update { state in
      state.isSubmitted = !state.waiting.isEmpty
      return state.isSubmitted
    }
    for (job, result) in zip(jobs, results) { job.answer.resume(with: result) }
    return goesOn ? .again : .finished
  }

  private func choices(_ jobs: [Job]) -> [Result<Choice, any Error>] {
    guard let first = jobs.first else { return [] }
    let scores = Result {
      try score(
        HiddenStates(
          tokens: jobs.count, hidden: first.state.hidden,
          values: jobs.count == 1 ? first.state.values : jobs.flatMap(\.state.values)))
    }
    guard jobs.count > 1 else { return [Result { try first.choose(scores.get().last) }] }
    // A choice among all tokens of a vocabulary takes its time too.
    var results = [Result<Choice, any Error>](
      repeating: .failure(CancellationError()), count: jobs.count)
    results.withUnsafeMutableBufferPointer { results in
      nonisolated(unsafe) let results = results
      ComputePool.shared.parallel(jobs.count) { row in
        results[row] = Result { try jobs[row].choose(scores.get().row(row)) }
      }
    }
    return results
  }
}
