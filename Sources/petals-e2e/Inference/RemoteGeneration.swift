import Bloom
import PetalsNode

/// A generation through nodes; only the embedding and the head are computed here.
enum RemoteGeneration {
  static func run(
    _ request: Bloom.GenerationRequest, text: String?, _ checkpoint: Checkpoint,
    _ tokenizer: Tokenizer?, peers: [PeerAddress], limits: TransportLimits = TransportLimits(),
    onToken: @Sendable (Int32) -> Void = { _ in }
  ) async throws -> GeneratedText {
    let result = try await CommandFailure.throughPeers {
      let ends = ModelEnds(checkpoint, tokenizer: tokenizer)
      return try await withPipelineClient(ends, peers: peers, limits: limits) { client in
        let tokens = try client.generate(
          PipelineRequest(
            promptIDs: request.prompt, prompt: text, maximumNewTokens: request.maxNewTokens,
            sampling: request.sampling, seed: request.seed))
        return try await tokens.collect { onToken($0.id) }
      }
    }
    return GeneratedText(
      promptIDs: result.promptIDs, generatedIDs: result.generatedIDs, text: result.text,
      timeToFirstToken: result.timeToFirstToken, tokensPerSecond: result.tokensPerSecond,
      route: result.route.hops.map { GeneratedText.Hop(peer: $0.peer, blocks: $0.blocks.indices) })
  }
}
