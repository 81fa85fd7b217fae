import Bloom
import PipelineRPC

/// One pass of the network's own service.
///
/// With hidden states it runs the node's blocks; the last node of a pipeline adds the next token.
/// Without them, and with a prompt, the node generates the whole text.
struct ForwardPass {
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
    guard blocks.upperBound == blocks.layerCount else {
      throw NodeError(
        .outOfRange,
        "metadata.is_last: this node ends with block \(blocks.upperBound - 1) of "
          + "\(blocks.layerCount), and cannot choose a token")
    }
    let ends = try await generator.prepare()
    let sampler = TokenSampler(
      try request.sampling(generator.defaults), seed: .random(in: .min ... .max))
    let id = try await ends.choose(sampler, after: hidden, context: request.pastTokenIds).id
    response.nextTokenID = id
    response.isEos = ends.checkpoint.configuration.endsSequence(id)
    response.generatedText = ends.text(of: [id]) ?? ""
    response.numTokens = 1
  }
}
