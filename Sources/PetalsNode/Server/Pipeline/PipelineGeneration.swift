import AsyncPrimitives
import Bloom
import Foundation
import PipelineRPC
import PlumiseWire

/// A generation of the node that begins a pipeline of agents.
///
/// For each token the prompt and all tokens so far go through its blocks, and on to the next node of
/// the topology; what comes back is the token. No node has to keep anything between two tokens; what
/// this one has computed before it does not compute again.
struct PipelineGeneration {
  /// How long the nodes behind may take for a token.
  static let stepLimit = Duration.seconds(30)

  let server: BlockServer
  let model: ClientModel
  let pipeline: PipelineMembership
  let connections: AgentConnections
  let format: InferenceFormat
  let clock: any Clock<Duration>

  /// Makes the tokens of a text.
  ///
  /// - Parameters:
  ///   - request: The prompt, and how its tokens are chosen; the last node chooses by chance of its
  ///     own, so the seed is not used.
  ///   - requester: The address that the messages name.
  ///   - receive: Gets each token, and whether it is the last one that was asked for; when it throws,
  ///     the generation ends.
  /// - Throws: ``NodeError``, with ``NodeError/Code/unavailable`` when a node behind failed or there
  ///   is none; what `receive` throws.
  func run(
    _ request: PipelineRequest, requester: String,
    _ receive: (_ id: Int32, _ isLast: Bool) async throws -> Void
  ) async throws -> GenerationResult {
    try checkLength(of: request)
    let time = Stopwatch(clock)
    var input = try await model.embedOnPool(request.promptIDs)
    let id = UUID().uuidString.replacing("-", with: "").lowercased()
    var generated: [Int32] = []
    var first: Duration?
    var endID: Int32?
    var hops: [Route.Hop] = []
    while generated.count < request.maxNewTokens {
      try Task.checkCancellation()
      let (place, next) = try place()
      hops = [hop("this node"), hop(next.grpcEndpoint)]
      let message = try await message(
        of: request, generated, input, at: place, id: "\(id)_s\(generated.count)", requester)
      let answer = try await connections.forwardPass(
        message, at: next.grpcEndpoint, within: Self.stepLimit)
      let token = try token(of: answer, from: next.grpcEndpoint)
      if first == nil { first = time.elapsed }
      if answer.isEos {
        endID = token
        break
      }
      generated.append(token)
      input = try HiddenStates(
        tokens: input.tokens + 1, hidden: input.hidden,
        values: input.values + model.embed([token]).values)
      try await receive(token, generated.count == request.maxNewTokens)
    }
    return GenerationResult(
      promptIDs: request.promptIDs, generatedIDs: generated, text: model.text(of: generated),
      timeToFirstToken: generated.isEmpty ? nil : first, duration: time.elapsed,
      route: Route(hops: hops), finishReason: endID == nil ? .length : .endOfSequence,
      endID: endID)
  }

  /// Refuses a text whose last pass would not fit.
  private func checkLength(of request: PipelineRequest) throws(NodeError) {
    let (prompt, most) = (request.promptIDs.count, server.model.maximumLength)
    guard prompt <= most, request.maxNewTokens - 1 <= most - prompt else {
      throw NodeError(
        .outOfRange,
        "\(prompt) tokens of the prompt and \(request.maxNewTokens) new ones go beyond the \(most) "
          + "that this node takes")
    }
  }

  /// The node's place, and the node that comes next.
  ///
  /// - Throws: ``NodeError/Code/unavailable``.
  private func place() throws(NodeError) -> (own: PipelinePlace, next: PipelineNode) {
    guard server.model.blocks.lowerBound == 0 else {
      throw NodeError(
        .unavailable, "this node does not begin the model: ask the pipeline's first node")
    }
    guard let place = pipeline.place, let next = place.next else {
      throw NodeError(
        .unavailable, "the topology lists no node behind this one: the model's end is missing")
    }
    return (place, next)
  }

  private func message(
    of request: PipelineRequest, _ generated: [Int32], _ input: HiddenStates,
    at place: PipelinePlace, id: String, _ requester: String
  ) async throws -> Plumise_Inference_ForwardRequest {
    let hidden = try await server.forwardSequence(input)
    let tensor = InferenceTensor(
      shape: TensorShape(tokens: hidden.tokens, hidden: hidden.hidden, isBatched: true),
      format: format, values: hidden.values)
    try tensor.requireFinite("hidden_states")
    var message = Plumise_Inference_ForwardRequest()
    message.requestID = id
    message.hiddenStates = tensor.data
    message.shape = tensor.shape.dimensions
    message.dtype = format.rawValue
    message.params.maxNewTokens = Int32(clamping: request.maxNewTokens)
    message.params.temperature = request.sampling.temperature
    message.params.topP = request.sampling.topP
    message.params.repetitionPenalty = request.sampling.repetitionPenalty
    message.params.doSample = request.sampling.temperature > 0
    message.pastTokenIds = generated
    message.metadata.totalNodes = Int32(clamping: place.totalNodes)
    message.metadata.nodeIndex = Int32(clamping: place.order + 1)
    message.metadata.isFirst = false
    message.metadata.isLast = place.order + 1 == place.totalNodes - 1
    message.metadata.requesterAddress = requester
    message.metadata.originalPrompt = request.prompt ?? ""
    message.metadata.nextNodeEndpoint = place.endpointAfterNext
    return message
  }

  /// The token that an answer brings.
  ///
  /// - Throws: ``NodeError/Code/unavailable`` for a failure, and unless the profile is `faithful` for
  ///   an answer without a token, which an agent of today reads as token 0.
  private func token(
    of answer: Plumise_Inference_ForwardResponse, from peer: String
  ) throws(NodeError) -> Int32 {
    guard answer.success else {
      throw NodeError(.unavailable, answer.error, peer: peer)
    }
    guard pipeline.profile == .faithful || answer.isEos || answer.numTokens > 0 else {
      throw NodeError(
        .unavailable, "it answered hidden states and no token: the pipeline ends before the model",
        peer: peer)
    }
    let size = model.checkpoint.configuration.vocabularySize
    guard (0..<Int32(clamping: size)).contains(answer.nextTokenID) else {
      throw NodeError(
        .unavailable, "token \(answer.nextTokenID) is outside the vocabulary of \(size)",
        peer: peer)
    }
    return answer.nextTokenID
  }

  private func hop(_ peer: String) -> Route.Hop {
    Route.Hop(peer: peer, blocks: server.model.blocks, maximumLength: server.model.maximumLength)
  }
}
