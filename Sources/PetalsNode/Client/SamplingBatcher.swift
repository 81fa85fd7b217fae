package import Bloom

/// Batches the next-token scoring and sampling of a client's concurrent generations.
///
/// The head's matrix is the greatest of a model: reading it once serves all generations that wait
/// for a token, as one pass over the blocks serves all their steps. Each gets the scores that it
/// would get alone, up to the rounding of sums in another order.
package final class SamplingBatcher: Sendable {
  /// Scores rows `[generations, hidden]`, on a compute thread.
  package typealias Score = @Sendable (HiddenStates) throws -> Logits

  /// A generation that waits for its next token.
  package struct Candidate: Sendable {
    /// `[1, hidden]`.
    let state: HiddenStates
    /// What is made of the row's scores.
    let choose: @Sendable (ArraySlice<Float>) throws -> Choice
  }

  /// A sampled token and its embedding.
  package struct Choice: Sendable {
    package let id: Int32
    package let embedding: HiddenStates

    /// The place of the token among all of the vocabulary by its score, 1 for the highest; nil unless asked
    /// for.
    package let rank: Int?

    package init(id: Int32, embedding: HiddenStates, rank: Int? = nil) {
      self.id = id
      self.embedding = embedding
      self.rank = rank
    }
  }

  package typealias Queue = BatchQueue<Candidate, Choice>

  /// Rows of one batch: their scores take a few megabytes each, and gain no more by being together.
  package static let maxRows = 16

  private let queue: Queue

  /// A queue for the generations of a client.
  ///
  /// - Parameters:
  ///   - submit: Nil takes the process's compute threads.
  ///   - clock: Measures how long generations are away.
  ///   - multiplications: Those of one row's scores.
  ///   - score: The head.
  package init(
    submit: Queue.Submit? = nil, clock: any Clock<Duration> = ContinuousClock(),
    multiplications: Int = .max, _ score: @escaping Score
  ) {
    queue = Queue(
      capacity: Self.maxRows, submit: submit, patience: Lockstep<UInt64>.client, clock: clock,
      isSmall: { $0.count <= ComputePool.smallWork / multiplications },
      waits: { $0.count < Self.maxRows }, admit: Self.admit
    ) { candidates in
      Self.choices(of: candidates, score).map { .done($0) }
    }
  }

  /// Batches that were computed.
  package var batches: Int { queue.batches }

  /// A generation whose tokens are chosen together with those of the others.
  package func participant() -> Queue.Participant { queue.participant() }

  /// Waits until so many generations wait for a batch.
  ///
  /// - Throws: `CancellationError`.
  package func waitUntilWaiting(_ count: Int) async throws {
    try await queue.waitUntilWaiting(count)
  }

  /// The choice after a hidden state `[1, hidden]`.
  ///
  /// - Throws: What the scores or the choice throw; `CancellationError`.
  package func choose(
    after state: HiddenStates, for participant: Queue.Participant? = nil,
    _ choose: @escaping @Sendable (ArraySlice<Float>) throws -> Choice
  ) async throws -> Choice {
    try await queue.answer(to: Candidate(state: state, choose: choose), from: participant)
  }

  private static func admit(_ candidate: Candidate, _ remaining: inout Int) -> Candidate? {
    if remaining == 0 { return nil }
    remaining -= 1
    return candidate
  }

  private static func choices(
    of candidates: [Candidate], _ score: Score
  ) -> [Result<Choice, any Error>] {
    let scores = Result {
      try score(
        HiddenStates(
          tokens: candidates.count, hidden: candidates[0].state.hidden,
          values: candidates.count == 1
            ? candidates[0].state.values : candidates.flatMap(\.state.values)))
    }
    guard candidates.count > 1 else {
      return [Result { try candidates[0].choose(scores.get().last) }]
    }
    // A choice among all tokens of a vocabulary takes its time too.
    var results = [Result<Choice, any Error>](
      repeating: .failure(CancellationError()), count: candidates.count)
    results.withUnsafeMutableBufferPointer { results in
      nonisolated(unsafe) let results = results
      ComputePool.shared.parallel(candidates.count) { row in
        results[row] = Result { try candidates[row].choose(scores.get().row(row)) }
      }
    }
    return results
  }
}
