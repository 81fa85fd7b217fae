import Bloom

/// Decoding of several sessions at once, which read each weight together.
struct BatchBench: Sendable {
  private static let sessions = [1, 2, 4, 8, 16]
  private static let steps = 8

  let checkpoint: Checkpoint
  let runs: Int

  func rows() async throws -> [BenchRow] {
    let shard = try Shard(
      checkpoint, layers: LayerRange(all: checkpoint.configuration.layerCount))
    let embedding = Embedding(checkpoint)
    let head = LanguageModelHead(checkpoint)
    var rates = [[Double]](repeating: [], count: Self.sessions.count)
    for _ in 0..<runs {
      for (index, count) in Self.sessions.enumerated() {
        let caches = (0..<count).map { _ in shard.makeCache(maximumLength: Self.steps) }
        let perSecond = try await Rate.measure(count * Self.steps) {
          for step in 0..<Self.steps {
            let batch = try caches.enumerated().map { session, cache in
              SessionStep(input: try embedding([Int32(4 + session + step)]), cache: cache)
            }
            let states = try await shard.forward(batch: batch)
            let joined = try HiddenStates(
              tokens: count, hidden: states[0].hidden, values: states.flatMap(\.values))
            _ = try await head.logits(joined)
          }
        }
        rates[index].append(perSecond)
      }
    }
    let name = "\(checkpoint.name) \(checkpoint.elementType.rawValue)"
    return zip(Self.sessions, rates).map { count, rates in
      BenchRow("inference", "\(name): \(count) at once, in all", "tokens/s", rates)
    }
  }
}
