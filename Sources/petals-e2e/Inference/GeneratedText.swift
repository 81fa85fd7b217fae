import Bloom
import Foundation
import PetalsNode
import PlumiseWire
import Synchronization

/// The result of a generation, local or remote.
struct GeneratedText: Sendable {
  /// A part of the model and who computed it.
  struct Hop: Sendable {
    let peer: String
    let blocks: Range<Int>
  }

  let promptIDs: [Int32]
  let generatedIDs: [Int32]
  let text: String?
  let timeToFirstToken: Duration?
  let tokensPerSecond: Double
  let route: [Hop]
  /// When each token came, since the beginning; none where that is not told.
  var tokenTimes: [Duration] = []
  /// What became of a draft model's proposals; nil without such a model.
  var draft: DraftStatistics?

  var json: JSON {
    var object: JSONObject = [
      "prompt_ids": .tokens(promptIDs),
      "generated_ids": .tokens(generatedIDs),
      "text": text.map(JSON.string) ?? .null,
      "ttft_ms": timeToFirstToken.map { .milliseconds($0) } ?? .null,
      "tokens_per_second": .decimal(tokensPerSecond, places: 2),
      "route": .array(
        route.map { hop in
          [
            "peer": .string(hop.peer),
            "blocks": [.integer(hop.blocks.lowerBound), .integer(hop.blocks.upperBound)],
          ]
        }),
    ]
    if let draft { object["draft"] = draft.json }
    return .object(object)
  }

  /// One line: `20 tokens, 41.3 a second, the first after 25 ms`.
  var summary: String {
    let rate = ShortNumber.text(tokensPerSecond, places: 1)
    let first = (timeToFirstToken ?? .zero) / .milliseconds(1)
    return "\(generatedIDs.count) tokens, \(rate) a second, the first after "
      + "\(ShortNumber.text(first, places: 1)) ms" + (draft.map { "; \($0.summary)" } ?? "")
  }
}

/// A generation through nodes; only the embedding and the head are computed here.
enum RemoteGeneration {
  static func run(
    _ request: Bloom.GenerationRequest, text: String?, _ checkpoint: Checkpoint,
    _ tokenizer: Tokenizer?, draft: DraftModel? = nil, peers: [PeerAddress],
    limits: TransportLimits = TransportLimits(),
    onToken: @Sendable (Int32) -> Void = { _ in }
  ) async throws -> GeneratedText {
    let times = Mutex<[Duration]>([])
    let result = try await CommandFailure.mappingPeerErrors {
      let ends = ClientModel(checkpoint, tokenizer: tokenizer)
      return try await withPipelineClient(ends, peers: peers, limits: limits) { client in
        let tokens = try client.generate(
          PipelineRequest(
            promptIDs: request.prompt, prompt: text, maxNewTokens: request.maxNewTokens,
            sampling: request.sampling, seed: request.seed, draft: draft))
        return try await tokens.collect { token in
          times.withLock { $0.append(token.elapsed) }
          onToken(token.id)
        }
      }
    }
    return GeneratedText(
      promptIDs: result.promptIDs, generatedIDs: result.generatedIDs, text: result.text,
      timeToFirstToken: result.timeToFirstToken, tokensPerSecond: result.tokensPerSecond,
      route: result.route.hops.map { GeneratedText.Hop(peer: $0.peer, blocks: $0.blocks.indices) },
      tokenTimes: times.withLock { $0 }, draft: result.draft)
  }
}

/// A generation in this process, with the whole model.
enum LocalGeneration {
  static func run(
    _ request: Bloom.GenerationRequest, _ checkpoint: Checkpoint, _ tokenizer: Tokenizer?,
    cacheType: CacheType, draft: DraftModel? = nil,
    onToken: @escaping @Sendable (Int32) -> Void = { _ in }
  ) async throws -> GeneratedText {
    let result: Generation
    do {
      result = try await LocalGenerator(checkpoint, cacheType: cacheType).generate(
        request, draft: draft, onToken: onToken)
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
      route: [.init(peer: "local", blocks: 0..<checkpoint.configuration.blockCount)],
      draft: result.draft)
  }
}
