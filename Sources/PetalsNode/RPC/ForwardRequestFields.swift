import Bloom
import PipelineRPC

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
    var given = GivenSampling()
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
      ? Int(params.maxNewTokens) : GivenSampling.maximumNewTokens(defaults)
    guard (1...4096).contains(length) else {
      throw NodeError(.invalidArgument, "params.max_new_tokens is \(length): send 1 to 4096")
    }
    return TextRequest(
      prompt: metadata.originalPrompt, maximumNewTokens: length, sampling: try sampling(defaults))
  }
}
