import AsyncPrimitives
import Bloom
import EthereumPrimitives
import GRPCCore
import InferenceMetrics
import PipelineRPC

/// The service that the network's newer agents speak: `plumise.inference.InferencePipeline`
/// (NodeProtocol.md).
///
/// A pass has no session: it computes what it is given, without a cache. What fails in a pass is
/// said in the answer's own `success` and `error`; a stream ends with a gRPC status.
struct InferencePipelineService: Plumise_Inference_InferencePipeline.SimpleServiceProtocol {
  let server: BlockServer
  let generator: TextGenerator
  /// How long a client may take to read what it was sent.
  let clientTimeout: Duration
  let clock: any Clock<Duration>

  func forwardPass(
    request: Plumise_Inference_ForwardRequest, context: ServerContext
  ) async throws -> Plumise_Inference_ForwardResponse {
    let watch = Stopwatch(clock)
    var response: Plumise_Inference_ForwardResponse
    do {
      response = try await ForwardPassHandler(
        server: server, generator: generator, request: request
      )
      .run(watch)
      response.success = true
    } catch let error as CancellationError {
      throw RPCError(handling: error)
    } catch let error as NodeError {
      response = Plumise_Inference_ForwardResponse()
      response.error = error.message
    } catch {
      response = Plumise_Inference_ForwardResponse()
      response.error = "\(error)"
    }
    response.requestID = request.requestID
    response.latencyMs = Float(watch.elapsed / .milliseconds(1))
    return response
  }

  func forwardPassStream(
    request: Plumise_Inference_ForwardRequest,
    response: RPCWriter<Plumise_Inference_TokenChunk>, context: ServerContext
  ) async throws {
    try await withRPCErrors {
      let text = try request.textRequest(generator.defaults)
      let reading = Watchdog(limit: clientTimeout, clock: clock)
      try await reading.unlessOverdue(
        NodeError(.deadlineExceeded, "the client read nothing for \(clientTimeout)")
      ) {
        _ = try await generator.generate(text) { chunk in
          reading.begin()
          defer { reading.end() }
          try await response.write(chunk.message(for: request.requestID))
        }
      }
    }
  }

  func getLayerInfo(
    request: Plumise_Inference_Empty, context: ServerContext
  ) async throws -> Plumise_Inference_LayerInfoResponse {
    let info = server.info
    var response = Plumise_Inference_LayerInfoResponse()
    response.modelName = info.modelName
    response.layerStart = Int32(clamping: info.blocks.lowerBound)
    response.layerEnd = Int32(clamping: info.blocks.upperBound)
    response.totalLayers = Int32(clamping: info.blocks.blockCount)
    response.device = "cpu"
    response.isReady = info.isReady
    return response
  }

  func ping(
    request: Plumise_Inference_Empty, context: ServerContext
  ) async throws -> Plumise_Inference_PingResponse {
    let info = server.info
    var response = Plumise_Inference_PingResponse()
    response.agentAddress = info.agent?.checksummed ?? ""
    response.modelName = info.modelName
    response.layerStart = Int32(clamping: info.blocks.lowerBound)
    response.layerEnd = Int32(clamping: info.blocks.upperBound)
    response.isReady = info.isReady
    response.uptimeSeconds = info.uptime.components.seconds
    return response
  }
}

extension TextChunk {
  fileprivate func message(for requestID: String) -> Plumise_Inference_TokenChunk {
    var message = Plumise_Inference_TokenChunk()
    message.requestID = requestID
    message.tokenID = id
    message.tokenText = text
    message.isFinished = finishReason != nil
    message.finishReason = finishReason?.rawValue ?? ""
    return message
  }
}

/// Handles one `ForwardPass` call of `plumise.inference.InferencePipeline`.
///
/// With hidden states it runs the node's blocks; the last node of a pipeline adds the next token.
/// Without them, and with a prompt, the node generates the whole text.
struct ForwardPassHandler {
  let server: BlockServer
  let generator: TextGenerator
  let request: Plumise_Inference_ForwardRequest

  /// The answer, `request_id`, `latency_ms` and `success` aside.
  ///
  /// A pass counts as one inference of one token on every node that it goes through: so the
  /// nodes of a pipeline agree.
  func run(_ watch: Stopwatch) async throws -> Plumise_Inference_ForwardResponse {
    guard request.metadata.nextNodeEndpoint.isEmpty else {
      throw NodeError(
        .unimplemented, "next_node_endpoint: this node hands on to nobody; visit each node in turn")
    }
    if request.hiddenStates.isEmpty { return try await generateText() }
    try request.checkAttentionMask()
    let tensor = try request.tensor(hidden: server.model.hiddenSize)
    let output = try await server.forward(HiddenStates(tensor))
    let answer = WireTensor(shape: tensor.shape, type: tensor.type, values: output.values)
    try answer.requireFinite("hidden_states")
    var response = Plumise_Inference_ForwardResponse()
    response.hiddenStates = answer.data
    response.shape = answer.shape.dimensions
    response.dtype = answer.type.rawValue
    if request.metadata.isLast { try await addToken(from: output, to: &response) }
    server.metrics.recordInference(tokens: 1, latency: watch.elapsed)
    return response
  }

  private func generateText() async throws -> Plumise_Inference_ForwardResponse {
    let result = try await generator.generate(try request.textRequest(generator.defaults)) { _ in }
    var response = Plumise_Inference_ForwardResponse()
    response.generatedText = result.text ?? ""
    response.numTokens = Int32(clamping: result.generatedIDs.count)
    response.isEos = result.finishReason == .endOfSequence
    return response
  }

  private func addToken(
    from hidden: HiddenStates, to response: inout Plumise_Inference_ForwardResponse
  ) async throws {
    let blocks = server.model.blocks
    guard blocks.upperBound == blocks.blockCount else {
      throw NodeError(
        .outOfRange,
        "metadata.is_last: this node ends with block \(blocks.upperBound - 1) of "
          + "\(blocks.blockCount), and cannot choose a token")
    }
    let model = try await generator.prepare()
    let sampler = TokenSampler(
      try request.sampling(generator.defaults), seed: .random(in: .min ... .max))
    let id = try await model.choose(sampler, after: hidden, context: request.pastTokenIds).id
    response.nextTokenID = id
    response.isEos = model.checkpoint.configuration.endsSequence(id)
    response.generatedText = model.text(of: [id]) ?? ""
    response.numTokens = 1
  }
}

extension Plumise_Inference_ForwardRequest {
  /// The hidden states, checked.
  ///
  /// - Throws: ``NodeError/Code/invalidArgument``.
  func tensor(hidden: Int) throws(NodeError) -> WireTensor {
    do {
      return try WireTensor(
        data: hiddenStates, dimensions: shape, type: TensorDataType(name: dtype), hidden: hidden)
    } catch {
      throw NodeError(.invalidArgument, "hidden_states: \(error)")
    }
  }

  /// Refuses a mask that hides a token: BLOOM's blocks see all that came before.
  ///
  /// The service does not say how wide a number of the mask is: the shape tells.
  /// - Throws: ``NodeError/Code/invalidArgument``.
  func checkAttentionMask() throws(NodeError) {
    if attentionMask.isEmpty { return }
    var count = 1
    for size in attentionMaskShape {
      let (product, overflow) = count.multipliedReportingOverflow(by: Int(size))
      guard size > 0, !overflow else {
        throw badMask("its shape is \(attentionMaskShape): send sizes above zero")
      }
      count = product
    }
    guard attentionMask.count.isMultiple(of: count) else {
      throw badMask("\(attentionMask.count) bytes are no \(count) numbers")
    }
    let width = attentionMask.count / count
    var rest = attentionMask[...]
    while !rest.isEmpty {
      guard rest.prefix(width).contains(where: { $0 != 0 }) else {
        throw badMask("it hides a token, which is not supported: send the tokens alone")
      }
      rest = rest.dropFirst(width)
    }
  }

  private func badMask(_ reason: String) -> NodeError {
    NodeError(.invalidArgument, "attention_mask: \(reason)")
  }

  /// How the next token is chosen; what is not given is as in the HTTP API.
  ///
  /// Protobuf cannot tell 0 from nothing: 0 stands for the default, but for the temperature,
  /// where it asks for the likeliest token.
  /// - Throws: ``NodeError/Code/invalidArgument``.
  func sampling(_ defaults: GenerationDefaults) throws(NodeError) -> SamplingParameters {
    var given = RequestedSampling()
    if hasParams {
      try check(params.temperature, "temperature", 0...2)
      try check(params.topP, "top_p", 0...1)
      if params.repetitionPenalty != 0 {
        try check(params.repetitionPenalty, "repetition_penalty", 1...2)
        given.repetitionPenalty = params.repetitionPenalty
      }
      given.doSample = params.doSample
      given.temperature = params.temperature
      if params.topP != 0 { given.topP = params.topP }
    }
    do {
      return try given.parameters(defaults)
    } catch {
      throw NodeError(.invalidArgument, "params: \(error)")
    }
  }

  private func check(
    _ value: Float, _ field: String, _ range: ClosedRange<Float>
  ) throws(NodeError) {
    guard range.contains(value) else {
      throw NodeError(
        .invalidArgument,
        "params.\(field) is \(value): send \(range.lowerBound) to \(range.upperBound)")
    }
  }

  /// The prompt to be continued.
  ///
  /// - Throws: ``NodeError/Code/invalidArgument``.
  func textRequest(_ defaults: GenerationDefaults) throws(NodeError) -> TextRequest {
    guard !metadata.originalPrompt.isEmpty else {
      throw NodeError(
        .invalidArgument, "send hidden_states, or metadata.original_prompt for a whole text")
    }
    let length =
      hasParams && params.maxNewTokens != 0
      ? Int(params.maxNewTokens) : RequestedSampling.maxNewTokens(defaults)
    guard (1...4096).contains(length) else {
      throw NodeError(.invalidArgument, "params.max_new_tokens is \(length): send 1 to 4096")
    }
    return TextRequest(
      prompt: metadata.originalPrompt, maxNewTokens: length, sampling: try sampling(defaults))
  }
}
