import Bloom

/// A generation in this process, with the whole model.
enum LocalGeneration {
  static func run(
    _ request: Bloom.GenerationRequest, _ checkpoint: Checkpoint, _ tokenizer: Tokenizer?,
    onToken: @escaping @Sendable (Int32) -> Void = { _ in }
  ) async throws -> GeneratedText {
    let result: Generation
    do {
      result = try await LocalGenerator(checkpoint).generate(request, onToken: onToken)
    } catch let error as TokenError {
      throw CommandFailure.wrongInput("\(error)")
    } catch let error as ScoreError {
      throw CommandFailure.failed("\(error)")
    } catch let error as CacheError {
      throw CommandFailure.failed("\(error)")
    }
    return GeneratedText(
      promptIDs: request.prompt, generatedIDs: result.ids,
      text: tokenizer.map { $0.decode(result.ids) },
      timeToFirstToken: result.ids.isEmpty ? nil : result.timeToFirstToken,
      tokensPerSecond: result.tokensPerSecond,
      route: [.init(peer: "local", blocks: 0..<checkpoint.configuration.layerCount)])
  }
}
