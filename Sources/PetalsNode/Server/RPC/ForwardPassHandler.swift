import AsyncPrimitives
import Bloom
import InferenceMetrics
import PipelineRPC
import PlumiseWire

/// Handles one `ForwardPass` call of `plumise.inference.InferencePipeline`.
///
/// With hidden states, which are those of a whole sequence, it runs the node's blocks. Then the node whose blocks end the model chooses the
/// next token, a node before it hands on to the next one it learnt from the topology, and one that was
/// asked for no more returns its hidden states. Without hidden states, and with a prompt, the node
/// generates the whole text.
struct ForwardPassHandler {
  /// How long the next node may take, with all nodes behind it.
  static let handOnLimit = Duration.seconds(60)

  let server: BlockServer
  let generator: TextGenerator
  let pipeline: PipelineMembership
  let connections: AgentConnections
  let request: Plumise_Inference_ForwardRequest

  /// The whole answer; of one that came from the next node, nothing is changed.
  ///
  /// A pass counts as one inference: of one token where the token is chosen, of none before.
  func run(_ watch: Stopwatch) async throws -> Plumise_Inference_ForwardResponse {
    var response: Plumise_Inference_ForwardResponse
    if request.hiddenStates.isEmpty {
      response = try await generateText()
    } else {
      // Agents of today ignore masks.
      if pipeline.profile == .fixed { try request.checkAttentionMask() }
      let tensor = try request.tensor(hidden: server.model.hiddenSize)
      let hidden = try HiddenStates(
        tokens: tensor.shape.tokens, hidden: tensor.shape.hidden, values: tensor.values)
      let output = try await server.forwardSequence(hidden)
      let endsModel = server.model.blocks.upperBound == server.model.blocks.blockCount
      if endsModel || request.metadata.isLast {
        response = try await chooseToken(after: output)
        server.metrics.recordInference(tokens: 1, latency: watch.elapsed)
      } else {
        let answer = InferenceTensor(
          shape: tensor.shape, format: tensor.format, values: output.values)
        try answer.requireFinite("hidden_states")
        if let next = try nextNode() {
          let response = try await handOn(answer, to: next)
          if response.success { server.metrics.recordInference(tokens: 0, latency: watch.elapsed) }
          return response
        }
        response = Plumise_Inference_ForwardResponse()
        response.hiddenStates = answer.data
        response.shape = answer.shape.dimensions
        response.dtype = answer.format.rawValue
        server.metrics.recordInference(tokens: 0, latency: watch.elapsed)
      }
    }
    response.success = true
    response.requestID = request.requestID
    response.latencyMs = Float(watch.elapsed / .milliseconds(1))
    return response
  }

  /// Where the pass goes on; nil for a caller who wants the hidden states back.
  ///
  /// - Throws: ``NodeError/Code/failedPrecondition`` where the caller waits for a token and the
  ///   pipeline ends here; an agent of today returns hidden states, which the first node reads as
  ///   token 0.
  private func nextNode() throws(NodeError) -> PipelineNode? {
    guard pipeline.profile == .fixed else {
      return request.metadata.nextNodeEndpoint.isEmpty ? nil : pipeline.next
    }
    guard request.isOfPipeline else { return nil }
    if let next = pipeline.next { return next }
    let blocks = server.model.blocks
    throw NodeError(
      .failedPrecondition,
      "this node ends with block \(blocks.upperBound - 1) of \(blocks.blockCount) and learnt of no "
        + "next node: the pass cannot lead to a token")
  }

  private func handOn(
    _ tensor: InferenceTensor, to next: PipelineNode
  ) async throws -> Plumise_Inference_ForwardResponse {
    var passed = Plumise_Inference_ForwardRequest()
    passed.requestID = request.requestID
    passed.hiddenStates = tensor.data
    passed.shape = tensor.shape.dimensions
    passed.dtype = tensor.format.rawValue
    if request.hasParams { passed.params = request.params }
    if request.hasMetadata { passed.metadata = request.metadata }
    // Agents of today lose them here, and with them the repetition penalty.
    if pipeline.profile == .fixed { passed.pastTokenIds = request.pastTokenIds }
    return try await connections.forwardPass(
      passed, at: next.grpcEndpoint, within: Self.handOnLimit)
  }

  private func generateText() async throws -> Plumise_Inference_ForwardResponse {
    let result = try await generator.generate(try request.textRequest(generator.defaults)) { _ in }
    var response = Plumise_Inference_ForwardResponse()
    response.generatedText = result.text ?? ""
    response.numTokens = Int32(clamping: result.generatedIDs.count)
    response.isEos = result.finishReason == .endOfSequence
    return response
  }

  private func chooseToken(
    after hidden: HiddenStates
  ) async throws -> Plumise_Inference_ForwardResponse {
    let blocks = server.model.blocks
    guard blocks.upperBound == blocks.blockCount else {
      throw NodeError(
        .outOfRange,
        "metadata.is_last: this node ends with block \(blocks.upperBound - 1) of "
          + "\(blocks.blockCount), and cannot choose a token")
    }
    let model = try await generator.prepare()
    let sampler = TokenSampler(try request.passSampling(), seed: .random(in: .min ... .max))
    let id = try await model.choose(sampler, after: hidden, context: request.pastTokenIds).id
    var response = Plumise_Inference_ForwardResponse()
    response.nextTokenID = id
    response.isEos = model.checkpoint.configuration.endsSequence(id)
    response.numTokens = response.isEos ? 0 : 1
    return response
  }
}

extension InferenceTensor {
  /// - Throws: ``NodeError/Code/internalFault`` that names the first value that is not finite.
  func requireFinite(_ field: String) throws(NodeError) {
    guard let index = firstNotFinite else { return }
    throw NodeError(
      .internalFault, "\(field): value \(index) of the result is not finite in \(format.rawValue)")
  }
}
