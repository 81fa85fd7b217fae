public import Bloom
import EthereumPrimitives
import Foundation
import Logging
import PipelineRPC
import Synchronization

/// Generates text on a node, through its own blocks and its peers'.
///
/// Peers that are away are asked again by each request, so that they may come, go and come back.
final class TextGenerator: Sendable {
  /// The pipeline of agents that the node is in, if it was told of one.
  let pipeline: PipelineMembership
  private let checkpoint: Checkpoint
  private let tokenizer: Tokenizer?
  private let draft: DraftModel?
  private let server: BlockServer
  private let connections: AgentConnections
  private let format: InferenceFormat
  private let agent: Address?
  private let clock: any Clock<Duration>
  private let logger: Logger
  private let route = Mutex<Network?>(nil)
  private let preparation = Mutex<Prepared?>(nil)

  private struct Prepared: Sendable {
    let model: ClientModel
    /// Bytes of the longest token; no token can stand for more of a text.
    let longestToken: Int
  }

  private struct Network: Sendable {
    let transports: [any BlockTransport]
    let closing: SessionCloser
    /// Made by the first request that finds a way; it remembers the peers' times and failures.
    var client: PipelineClient?
  }

  init(
    _ configuration: NodeConfiguration, server: BlockServer, connections: AgentConnections,
    clock: any Clock<Duration>, logger: Logger
  ) {
    checkpoint = configuration.checkpoint
    tokenizer = configuration.tokenizer
    draft = configuration.draft
    pipeline = PipelineMembership(
      agent: configuration.agent, profile: configuration.agentProfile)
    self.server = server
    self.connections = connections
    format = configuration.pipelineFormat.wireFormat
    agent = configuration.agent
    self.clock = clock
    self.logger = logger
  }

  /// What a request that does not say otherwise takes.
  var defaults: GenerationDefaults { checkpoint.generationDefaults }

  /// Generates through these nodes while the body runs.
  func run(through transports: [any BlockTransport], _ body: () async throws -> Void) async throws {
    let closing = SessionCloser(clock: clock, logger: logger)
    route.withLock { $0 = Network(transports: transports, closing: closing) }
    let outcome: Result<Void, any Error>
    do {
      outcome = .success(try await body())
    } catch {
      outcome = .failure(error)
    }
    route.withLock { $0 = nil }
    await closing.wait()
    try outcome.get()
  }

  /// Maps the model's ends and reads its tokenizer, before anyone waits for them.
  ///
  /// - Throws: What Bloom throws for a broken tokenizer, and for a `generation_config.json` that asks
  ///   for what is not done here; a missing tokenizer only stops text.
  @discardableResult
  func prepare() async throws -> ClientModel { try await prepared().model }

  private func prepared() async throws -> Prepared {
    if let prepared = preparation.withLock({ $0 }) { return prepared }
    try checkpoint.generationDefaults.requireSupported()
    let made = try await runBlocking { [checkpoint, given = tokenizer] in
      let file = checkpoint.directory.appending(path: "tokenizer.json")
      let isFile = FileManager.default.fileExists(atPath: file.path(percentEncoded: false))
      let tokenizer =
        try given ?? (isFile ? Tokenizer(directory: checkpoint.directory) : nil)
      let lengths = tokenizer.map { tokenizer in
        (0..<Int32(clamping: tokenizer.count)).lazy.map { tokenizer.bytes($0).count }
      }
      return Prepared(
        model: ClientModel(checkpoint, tokenizer: tokenizer), longestToken: lengths?.max() ?? 0)
    }
    return preparation.withLock { preparation in
      // Two requests may have read it at once: one copy stays.
      if let first = preparation { return first }
      preparation = made
      return made
    }
  }

  private func client(_ model: ClientModel) async throws -> PipelineClient {
    guard let network = route.withLock({ $0 }) else {
      throw NodeError(.unavailable, "the node does not serve yet, or stops")
    }
    if let client = network.client {
      try await client.refresh()
      return client
    }
    let client = try await PipelineClient(
      model, transports: network.transports, recovery: RecoveryPolicy(), clock: clock,
      closing: network.closing, logger: logger)
    route.withLock { $0?.client = client }
    return client
  }

  /// The tokens of a text, on a compute thread.
  ///
  /// - Throws: ``NodeError/Code/outOfRange`` for a text that cannot fit, whatever its tokens are.
  private func encode(
    _ text: String, _ tokenizer: Tokenizer, _ longestToken: Int
  ) async throws -> [Int32] {
    let most = checkpoint.configuration.sequenceLength
    let (bytes, overflow) = most.multipliedReportingOverflow(by: longestToken)
    guard overflow || text.utf8.count <= bytes else {
      throw NodeError(
        .outOfRange,
        "a prompt of \(text.utf8.count) bytes is more than \(most) tokens, which the model allows")
    }
    return try await ComputePool.current.run { cancellation in
      try cancellation.check()
      return tokenizer.encode(text)
    }
  }

  /// Continues a text, piece by piece.
  ///
  /// - Parameter receive: Gets each piece; when it throws, the generation ends.
  /// - Throws: ``NodeError`` and ``RouteError``; what `receive` throws.
  func generate(
    _ request: TextRequest, _ receive: (TextChunk) async throws -> Void
  ) async throws -> GenerationResult {
    let prepared = try await prepared()
    guard let tokenizer = prepared.model.tokenizer else {
      throw NodeError(
        .unimplemented, "\(checkpoint.name) has no tokenizer.json: it cannot read text")
    }
    let promptIDs = try await encode(request.prompt, tokenizer, prepared.longestToken)
    var work = try PipelineRequest(
      promptIDs: promptIDs, prompt: request.prompt, maxNewTokens: request.maxNewTokens,
      sampling: request.sampling, seed: request.seed, draft: draft)
    // Agents of today do not keep what they stream.
    if request.isStreamed, pipeline.profile == .faithful {
      work.provenOutput = { "[streamed \($0) tokens]" }
    }
    if pipeline.hasTopology, !server.model.blocks.isWholeModel {
      let text = TextStream(tokenizer)
      return try await generateThroughAgents(request, work, prepared.model, text, receive)
    }
    let client = try await client(prepared.model)
    let tokens = try client.generate(work)
    var text = TextStream(tokenizer)
    for try await token in tokens {
      // The last token of a full length comes with the result already there.
      let reason = await tokens.result?.finishReason
      let piece = text.append(token.id) + (reason == nil ? "" : text.finish())
      try await receive(TextChunk(id: token.id, text: piece, finishReason: reason))
    }
    let result = try await tokens.collect()
    if let id = result.endID {
      try await receive(
        TextChunk(id: id, text: text.finish(), finishReason: .endOfSequence))
    }
    return result
  }

  /// Continues a text through the agents behind this node, and counts it.
  private func generateThroughAgents(
    _ request: TextRequest, _ work: PipelineRequest, _ model: ClientModel, _ text: TextStream,
    _ receive: (TextChunk) async throws -> Void
  ) async throws -> GenerationResult {
    var text = text
    let generation = PipelineGeneration(
      server: server, model: model, pipeline: pipeline, connections: connections, format: format,
      clock: clock)
    let result = try await generation.run(work, requester: agent?.checksummed ?? "") {
      id, isLast in
      let piece = text.append(id) + (isLast ? text.finish() : "")
      try await receive(TextChunk(id: id, text: piece, finishReason: isLast ? .length : nil))
    }
    if let id = result.endID {
      try await receive(TextChunk(id: id, text: text.finish(), finishReason: .endOfSequence))
    }
    server.record(
      try SessionSummary(
        generatedTokens: result.generatedIDs.count, latency: result.duration,
        transcript: model.transcript(of: work, result.generatedIDs, result.text)))
    return result
  }
}

extension PipelineTensorFormat {
  fileprivate var wireFormat: InferenceFormat {
    switch self {
    case .bfloat16: .bfloat16
    case .float16: .float16
    case .float32: .float32
    }
  }
}

/// Text to be continued.
public struct TextRequest: Sendable {
  /// The prompt.
  public let prompt: String
  /// Most new tokens.
  public let maxNewTokens: Int
  /// How a token is chosen.
  public let sampling: SamplingParameters
  /// Where chance begins.
  public let seed: UInt64
  /// Whether its reader gets each piece when it is made.
  var isStreamed = false

  /// A request; without a seed, chance begins anywhere.
  public init(
    prompt: String, maxNewTokens: Int, sampling: SamplingParameters,
    seed: UInt64 = .random(in: .min ... .max)
  ) {
    self.prompt = prompt
    self.maxNewTokens = maxNewTokens
    self.sampling = sampling
    self.seed = seed
  }
}

/// A piece of streamed text.
struct TextChunk: Sendable {
  /// The token that it came of.
  let id: Int32
  /// New text; empty while a character is incomplete.
  let text: String
  /// Set on the last piece.
  let finishReason: FinishReason?
}

/// The sampling parameters that a request sets; nil where it sets none.
///
/// There the model's `generation_config.json` decides, and where that says nothing either, the
/// defaults of Wire.md, Nodes.
struct RequestedSampling: Sendable {
  var doSample: Bool?
  var temperature: Float?
  var topP: Float?
  var repetitionPenalty: Float?

  /// Most new tokens that a request may ask for.
  static let maxNewTokenLimit = 4096

  /// Most new tokens of a request that does not say.
  static func maxNewTokens(_ defaults: GenerationDefaults) -> Int {
    min(defaults.maxNewTokens ?? 128, maxNewTokenLimit)
  }

  /// What the tokens are chosen by.
  func parameters(_ defaults: GenerationDefaults) throws(SamplingError) -> SamplingParameters {
    // Temperature 0 is the greedy choice, which is what sampling turned off asks for.
    let isDrawn = doSample ?? defaults.doSample ?? true
    return try SamplingParameters(
      temperature: isDrawn ? temperature ?? defaults.temperature ?? 0.7 : 0,
      topK: defaults.topK ?? 0, topP: topP ?? defaults.topP ?? 0.9,
      repetitionPenalty: repetitionPenalty ?? defaults.repetitionPenalty ?? 1.2)
  }
}
