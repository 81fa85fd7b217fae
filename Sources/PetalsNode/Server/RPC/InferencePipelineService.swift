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
/// said in the answer's own `success` and `error`; a stream ends with a gRPC status. What the
/// network's agents leave out today is left out in the profile `faithful` alone.
struct InferencePipelineService: Plumise_Inference_InferencePipeline.SimpleServiceProtocol {
  let server: BlockServer
  let generator: TextGenerator
  let pipeline: PipelineMembership
  let connections: AgentConnections
  /// How long a client may take to read what it was sent.
  let clientTimeout: Duration
  let clock: any Clock<Duration>

  func forwardPass(
    request: Plumise_Inference_ForwardRequest, context: ServerContext
  ) async throws -> Plumise_Inference_ForwardResponse {
    let watch = Stopwatch(clock)
    var response = Plumise_Inference_ForwardResponse()
    do {
      return try await ForwardPassHandler(
        server: server, generator: generator, pipeline: pipeline, connections: connections,
        request: request
      )
      .run(watch)
    } catch let error as CancellationError {
      throw RPCError(handling: error)
    } catch let error as NodeError {
      response.error = (error.peer.map { "peer \($0): " } ?? "") + error.message
    } catch {
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
    guard pipeline.profile == .fixed else {
      // What gRPC's Python server says of a method that its service leaves out.
      throw RPCError(code: .unimplemented, message: "Method not implemented!")
    }
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
    if pipeline.profile == .fixed { response.modelName = info.modelName }
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
    if pipeline.profile == .fixed {
      response.agentAddress = info.agent?.checksummed ?? ""
      response.modelName = info.modelName
    }
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

extension Plumise_Inference_ForwardRequest {
  /// The hidden states, checked.
  ///
  /// - Throws: ``NodeError/Code/invalidArgument``.
  func tensor(hidden: Int) throws(NodeError) -> InferenceTensor {
    do {
      return try InferenceTensor(
        data: hiddenStates, dimensions: shape, format: InferenceFormat(name: dtype),
        hidden: hidden)
    } catch .unsupportedFormat(let name) {
      throw NodeError(.invalidArgument, "\(TensorError.unsupportedFormat(name))")
    } catch {
      throw NodeError(.invalidArgument, "hidden_states: \(error)")
    }
  }

  /// Whether the caller is a node of a pipeline, and so expects a token in the end.
  var isOfPipeline: Bool { metadata.totalNodes > 1 || !metadata.nextNodeEndpoint.isEmpty }

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

  /// How the next token of a pass is chosen.
  ///
  /// Protobuf cannot tell 0 from nothing: 0 stands for the default, whatever the model's own
  /// defaults are. The likeliest token is asked for with `do_sample` false.
  /// - Throws: ``NodeError/Code/invalidArgument``.
  func passSampling() throws(NodeError) -> SamplingParameters {
    var given = try requestedSampling()
    given.doSample = params.doSample
    return try parameters(given, GenerationDefaults())
  }

  /// How the tokens of a whole text are chosen; what is not given, or 0, is as in the HTTP API.
  ///
  /// - Throws: ``NodeError/Code/invalidArgument``.
  func textSampling(_ defaults: GenerationDefaults) throws(NodeError) -> SamplingParameters {
    try parameters(try requestedSampling(), defaults)
  }

  private func requestedSampling() throws(NodeError) -> RequestedSampling {
    var given = RequestedSampling()
    guard hasParams else { return given }
    try check(params.temperature, "temperature", 0...2)
    try check(params.topP, "top_p", 0...1)
    given.doSample = params.doSample
    if params.temperature != 0 { given.temperature = params.temperature }
    if params.topP != 0 { given.topP = params.topP }
    if params.repetitionPenalty != 0 {
      try check(params.repetitionPenalty, "repetition_penalty", 1...2)
      given.repetitionPenalty = params.repetitionPenalty
    }
    return given
  }

  private func parameters(
    _ given: RequestedSampling, _ defaults: GenerationDefaults
  ) throws(NodeError) -> SamplingParameters {
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
      prompt: metadata.originalPrompt, maxNewTokens: length, sampling: try textSampling(defaults))
  }
}
