import Bloom
import Synchronization

/// A generation's sampler, which is used on compute threads.
final class TokenSampler: Sendable {
  private let sampler: Mutex<Sampler>

  init(_ parameters: SamplingParameters, seed: UInt64) {
    sampler = Mutex(Sampler(parameters, seed: seed))
  }

  /// The next token after `context`, by the scores of the whole vocabulary.
  func next(_ scores: ArraySlice<Float>, _ context: [Int32]) -> Int32 {
    sampler.withLock { $0.next(logits: scores, context: context) }
  }
}
