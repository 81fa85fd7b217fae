import Bloom
import PetalsNode

/// Generations of several sessions at once by a node of the whole model, as its clients see them.
///
/// Their steps are computed together, and so are the scores of their next tokens.
struct BatchBench: Sendable {
  private static let sessions = [1, 2, 4, 8, 16]
  private static let newTokens = 16

  let checkpoint: Checkpoint
  let runs: Int

  func rows() async throws -> [BenchRow] {
    let configuration = NodeConfiguration(
      checkpoint: checkpoint,
      blocks: LayerRange(all: checkpoint.configuration.layerCount))
    let rates = try await withPetalsNode(configuration) { node in
      try await withPipelineClient(ModelEnds(checkpoint), transports: [node.transport]) { client in
        var rates = [[Double]](repeating: [], count: Self.sessions.count)
        for _ in 0..<runs {
          for (index, count) in Self.sessions.enumerated() {
            rates[index].append(
              try await Rate.measure(count * Self.newTokens) {
                _ = try await Array(0..<count).concurrently { try await generate(with: client, $0) }
              })
          }
        }
        return rates
      }
    }
    let name = "\(checkpoint.name) \(checkpoint.elementType.rawValue)"
    let rows = zip(Self.sessions, rates).map { count, rates in
      BenchRow("inference", "\(name): \(count) at once, in all", "tokens/s", rates)
    }
    guard let index = Self.sessions.firstIndex(of: 8) else { return rows }
    return rows + [
      BenchRow(
        "inference", "\(name): 8 at once, times one", "",
        zip(rates[index], rates[0]).map { $0 / $1 })
    ]
  }

  /// One session: a token of its own as the prompt, so that none is like another.
  private func generate(with client: PipelineClient, _ session: Int) async throws {
    let request = try PipelineRequest(
      promptIDs: [Int32(4 + session)], maximumNewTokens: Self.newTokens)
    let result = try await client.generate(request).collect()
    guard result.generatedIDs.count == Self.newTokens else {
      throw CommandFailure.failed(
        "a generation ended after \(result.generatedIDs.count) tokens: its rate says nothing")
    }
  }
}
