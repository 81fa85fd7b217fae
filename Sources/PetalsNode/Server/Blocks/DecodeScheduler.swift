package import Bloom

/// Batches the steps of all sessions on the same blocks (continuous batching).
///
/// A batch takes one token of each session that is decoding, and of prompts a chunk together:
/// reading the weights once serves them all, and no prompt holds up the others for longer than its
/// chunk takes. Each step has the cache of its session, so that it gives what it would give alone,
/// up to the rounding of sums in another order.
package final class DecodeScheduler: Sendable {
  /// A step that waits, or has come a part of its way.
  package struct Step: Sendable {
    let input: HiddenStates
    let cache: KeyValueCache
    let prompts: DeepPrompts?
    /// Rows that went through.
    var done = 0
    /// Rows of the next batch.
    var rows = 0
    var output: [Float] = []

    var rest: Int { input.tokens - done }

    /// What the next batch computes.
    var piece: SessionStep {
      let isWhole = rows == input.tokens
      return SessionStep(
        input: isWhole ? input : input.slice(done..<done + rows), cache: cache, prompts: prompts,
        promptStart: done)
    }

    /// This step with the output of its next rows.
    func advanced(by states: HiddenStates) -> Step {
      var step = self
      step.done += rows
      step.output.append(contentsOf: states.values)
      return step
    }

    /// The output of all rows.
    func whole() throws -> HiddenStates {
      try HiddenStates(tokens: input.tokens, hidden: input.hidden, values: output)
    }
  }

  package typealias Queue = BatchQueue<Step, HiddenStates>

  private let queue: Queue

  /// A queue for the sessions on a shard.
  ///
  /// - Parameters:
  ///   - shard: The blocks.
  ///   - chunk: Most tokens of prompts in one batch; at least 1.
  ///   - submit: Nil takes the process's compute threads.
  ///   - clock: Measures how long sessions are away.
  package init(
    _ shard: Shard, chunk: Int, submit: Queue.Submit? = nil,
    clock: any Clock<Duration> = ContinuousClock()
  ) {
    queue = Queue(
      capacity: max(1, chunk), submit: submit,
      patience: Lockstep<UInt64>.node, clock: clock,
      isSmall: { steps in
        let work = steps.reduce(0) {
          $0 + shard.multiplications(tokens: $1.rest, after: $1.cache.position)
        }
        return work <= ComputePool.smallWork
      }, waits: { $0.allSatisfy { $0.rest == 1 } },
      admit: Self.admit
    ) { Self.compute($0, through: shard) }
  }

  /// Batches that were computed.
  package var batches: Int { queue.batches }

  /// Steps that wait for their next batch.
  package var waiting: Int { queue.waiting }

  /// Waits until so many steps wait for a batch.
  ///
  /// - Throws: `CancellationError`.
  package func waitUntilWaiting(_ count: Int) async throws {
    try await queue.waitUntilWaiting(count)
  }

  /// A session whose steps are computed together with those of the others.
  package func participant() -> Queue.Participant { queue.participant() }

  /// Hidden states `[tokens, hidden]` of one session's next tokens through the blocks.
  ///
  /// - Throws: What Bloom throws for them; `CancellationError`, once nothing computes on the cache.
  package func step(
    _ input: HiddenStates, cache: KeyValueCache, prompts: DeepPrompts? = nil,
    from participant: Queue.Participant? = nil
  ) async throws -> HiddenStates {
    try await queue.answer(
      to: Step(input: input, cache: cache, prompts: prompts), from: participant)
  }

  /// Single tokens are always taken; the rows of prompts share what remains of the capacity.
  private static func admit(_ step: Step, _ remaining: inout Int) -> Step? {
    var step = step
    step.rows = step.rest == 1 ? 1 : min(step.rest, remaining)
    if step.rows == 0 { return nil }
    if step.rest > 1 { remaining -= step.rows }
    return step
  }

  private static func compute(_ steps: [Step], through shard: Shard) -> [Queue.Outcome] {
    let results: [Result<HiddenStates, any Error>]
    do {
      results = try shard.forwardSync(batch: steps.map(\.piece)).map { .success($0) }
    } catch {
      // One that cannot be computed is not to fail the others.
      results = steps.map { step in
        Result { try shard.forwardSync(batch: [step.piece])[0] }
      }
    }
    return zip(steps, results).map { step, result in
      switch result {
      case .success(let states) where step.rows < step.input.tokens:
        let step = step.advanced(by: states)
        return step.rest > 0 ? .unfinished(step) : .done(Result { try step.whole() })
      case let result:
        return .done(result)
      }
    }
  }
}
