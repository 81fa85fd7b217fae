import Bloom
import Synchronization

/// A generation's sampler, which is used on compute threads.
final class TokenSampler: Sendable {
  private let sampler: Mutex<Sampler>

  init(_ parameters: SamplingParameters, seed: UInt64) {
    sampler = Mutex(Sampler(parameters, seed: seed))
  }

  /// The next token after `context`, by the scores of the whole vocabulary.
  ///
  /// - Throws: `ScoreError` unless every score is finite.
  func choose(_ scores: ArraySlice<Float>, _ context: [Int32]) throws(ScoreError) -> Int32 {
    let result: Result<Int32, ScoreError> = sampler.withLock { sampler in
      Result { () throws(ScoreError) in try sampler.choose(logits: scores, context: context) }
    }
    return try result.get()
  }
}
