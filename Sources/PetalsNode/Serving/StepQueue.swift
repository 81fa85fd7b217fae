package import Bloom
import Synchronization

/// Where the steps of all sessions on the same blocks wait for each other, to be computed together.
///
/// While one round computes, steps arrive; the next round takes one token of each that is decoding,
/// and of prompts a chunk together: reading the weights once serves them all, and no prompt holds up
/// the others for longer than its chunk takes. Each step has the cache of its session, so that it
/// gives what it would give alone, up to the rounding of sums in another order.
package final class StepQueue: Sendable {
  /// Hands a job to compute threads; it is run again for as long as it asks for that.
  package typealias Submit = @Sendable (@escaping @Sendable () -> ComputePool.Continuation) -> Void

  /// A step that waits, or has come a part of its way.
  private struct Job: Sendable {
    let id: UInt64
    let input: HiddenStates
    let cache: KeyValueCache
    let answer: CheckedContinuation<HiddenStates, any Error>
    /// Rows that went through.
    var done = 0
    var output: [Float] = []

    var rest: Int { input.tokens - done }

    /// The output of all rows.
    func whole() throws -> HiddenStates {
      try HiddenStates(tokens: input.tokens, hidden: input.hidden, values: output)
    }
  }

  private struct State: Sendable {
    var waiting: [Job] = []
    var computing: Set<UInt64> = []
    /// Those of `computing` whose callers have left.
    var left: Set<UInt64> = []
    /// Whether a job of this queue is with the compute threads.
    var isSubmitted = false
    var lastID: UInt64 = 0
    var rounds = 0
  }

  private typealias Piece = (job: Job, rows: Int)

  private let shard: Shard
  private let chunk: Int
  private let submit: Submit
  private let state = Watched(State())

  /// A queue for the sessions on a shard.
  ///
  /// - Parameters:
  ///   - shard: The blocks.
  ///   - chunk: Most tokens of prompts in one round; at least 1.
  ///   - submit: Nil takes the process's compute threads.
  package init(_ shard: Shard, chunk: Int, submit: Submit? = nil) {
    self.shard = shard
    self.chunk = max(1, chunk)
    self.submit = submit ?? { ComputePool.shared.submit($0) }
  }

  /// Rounds that were computed.
  package var rounds: Int { state.value.rounds }

  /// Steps that wait for their next round.
  package var waiting: Int { state.value.waiting.count }

  /// Waits until so many steps wait for a round.
  ///
  /// - Throws: `CancellationError`.
  package func waitUntilWaiting(_ count: Int) async throws {
    try await state.wait { $0.waiting.count >= count }
  }

  /// Hidden states `[tokens, hidden]` of one session's next tokens through the blocks.
  ///
  /// - Throws: What Bloom throws for them; `CancellationError`, once nothing computes on the cache.
  package func step(_ input: HiddenStates, cache: KeyValueCache) async throws -> HiddenStates {
    let id = state.update { state in
      state.lastID += 1
      return state.lastID
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { answer in
        add(Job(id: id, input: input, cache: cache, answer: answer))
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

  private func leave(_ id: UInt64) {
    let job: Job? = state.update { state in
      if state.computing.contains(id) { state.left.insert(id) }
      return state.waiting.firstIndex { $0.id == id }.map { state.waiting.remove(at: $0) }
    }
    job?.answer.resume(throwing: CancellationError())
  }

  // MARK: - On a compute thread

  private func round() -> ComputePool.Continuation {
    let pieces = state.update { state in take(from: &state) }
    let results = compute(pieces)
    var answers: [(job: Job, result: Result<HiddenStates, any Error>)] = []
    var unfinished: [Job] = []
    for (piece, result) in zip(pieces, results) {
      var job = piece.job
      switch result {
      case .failure(let error): answers.append((job, .failure(error)))
      case .success(let states) where piece.rows == job.input.tokens:
        answers.append((job, .success(states)))
      case .success(let states):
        job.done += piece.rows
        job.output.append(contentsOf: states.values)
        if job.rest > 0 {
          unfinished.append(job)
        } else {
          answers.append((job, Result { try job.whole() }))
        }
      }
    }
    let (left, goesOn) = state.update { [unfinished] state in
      let left = state.left
      state.left = []
      state.computing = []
      state.rounds += pieces.isEmpty ? 0 : 1
      // Behind those that came meanwhile: prompts take turns.
      state.waiting += unfinished.filter { !left.contains($0.id) }
      state.isSubmitted = !state.waiting.isEmpty
      return (left, state.isSubmitted)
    }
    for job in unfinished where left.contains(job.id) {
      job.answer.resume(throwing: CancellationError())
    }
    for (job, result) in answers {
      job.answer.resume(with: left.contains(job.id) ? .failure(CancellationError()) : result)
    }
    return goesOn ? .again : .finished
  }

  private func take(from state: inout State) -> [Piece] {
    var room = chunk
    var pieces: [Piece] = []
    var waiting: [Job] = []
    for job in state.waiting {
      let rows = job.rest == 1 ? 1 : min(job.rest, room)
      if rows == 0 {
        waiting.append(job)
      } else {
        if job.rest > 1 { room -= rows }
        pieces.append((job, rows))
      }
    }
    state.waiting = waiting
    state.computing = Set(pieces.map(\.job.id))
    return pieces
  }

  private func compute(_ pieces: [Piece]) -> [Result<HiddenStates, any Error>] {
    let steps = pieces.map { piece in
      SessionStep(
        input: piece.rows == piece.job.input.tokens
          ? piece.job.input
          : piece.job.input.slice(piece.job.done..<piece.job.done + piece.rows),
        cache: piece.job.cache)
    }
    if steps.isEmpty { return [] }
    do {
      return try shard.forwardHere(batch: steps).map { .success($0) }
    } catch {
      // One that cannot be computed is not to fail the others.
      return steps.map { step in
        Result {
          try shard.forwardHere(batch: [step])[0]
        }
      }
    }
  }
}
