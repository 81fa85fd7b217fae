import Bloom
import EthereumPrimitives
import GRPCCore
import PipelineRPC

// Between the messages of `plumise.petals` and the node's own types.

extension HiddenStates {
  /// Checks hidden states from the wire.
  ///
  /// - Throws: ``NodeError/Code/invalidArgument`` that says which part is wrong.
  init(_ message: Plumise_Petals_Tensor, field: String, hidden: Int) throws(NodeError) {
    do {
      self = try HiddenStates(PetalsTensor(message, hidden: hidden))
    } catch {
      throw NodeError(.invalidArgument, "\(field): \(error)")
    }
  }

  /// Hidden states of a checked tensor.
  init(_ tensor: PetalsTensor) throws {
    try self.init(
      tokens: tensor.shape.tokens, hidden: tensor.shape.hidden, values: tensor.values)
  }

  /// A message in `float32`.
  func message() -> Plumise_Petals_Tensor {
    let shape = TensorShape(tokens: tokens, hidden: hidden, isBatched: false)
    return PetalsTensor(shape: shape, format: .float32, values: values).message
  }

  /// An answer in the format of `request`, which is what its sender understands.
  ///
  /// - Throws: ``NodeError/Code/internalFault`` for values that are not finite in that format: the
  ///   node that computed them says so, and not the next one that is sent them.
  func answer(
    to request: Plumise_Petals_Tensor, field: String
  ) throws(NodeError) -> Plumise_Petals_Tensor {
    let shape = TensorShape(
      tokens: tokens, hidden: hidden, isBatched: request.shape.count == 3)
    let tensor = PetalsTensor(
      shape: shape, format: request.dtype == .float16 ? .float16 : .float32, values: values)
    try tensor.requireFinite(field)
    return tensor.message
  }
}

extension PetalsTensor {
  /// - Throws: ``NodeError/Code/internalFault`` that names the first value that is not finite.
  func requireFinite(_ field: String) throws(NodeError) {
    guard let index = firstNotFinite else { return }
    throw NodeError(
      .internalFault, "\(field): value \(index) of the result is not finite in \(format.rawValue)")
  }
}

extension Plumise_Petals_BlockRange {
  /// A range for a message.
  init(_ blocks: BlockRange) {
    self.init()
    lower = Int32(clamping: blocks.lowerBound)
    upper = Int32(clamping: blocks.upperBound)
  }

  /// The blocks that a message names.
  ///
  /// - Throws: ``NodeError/Code/outOfRange`` for a range that runs backwards.
  func range() throws(NodeError) -> Range<Int> {
    guard lower >= 0, upper >= lower else {
      throw NodeError(.outOfRange, "blocks \(lower) to \(upper) are no range")
    }
    return Int(lower)..<Int(upper)
  }
}

extension Duration {
  /// Nanoseconds for a message; a negative time counts as none.
  var wireNanoseconds: UInt64 { UInt64(saturating: self / .nanoseconds(1)) }

  /// Nanoseconds from a message, which are believed up to 63 bits.
  init(wireNanoseconds: UInt64) { self = .nanoseconds(Int64(clamping: wireNanoseconds)) }
}

extension UInt64 {
  /// The whole part of a number, 0 for what is below and the greatest for what is beyond.
  init(saturating number: Double) {
    self = number >= 0x1p64 ? .max : UInt64(number > 0 ? number : 0)
  }
}

extension RPCError {
  /// An error of ours as a gRPC status.
  init(_ error: NodeError) {
    let code = Status.Code(rawValue: error.code.rawValue).flatMap(RPCError.Code.init)
    self.init(code: code ?? .unknown, message: error.message)
  }

  /// Whatever a handler threw: the client gets a status in any case.
  init(handling error: any Error) {
    switch error {
    case let error as RPCError: self = error
    case let error as NodeError: self.init(error)
    case let error as RouteError: self.init(code: .unavailable, message: "\(error)")
    case is CancellationError: self.init(code: .cancelled, message: "the call was cancelled")
    default: self.init(code: .internalError, message: "\(error)")
    }
  }
}

/// Runs a handler and turns what it throws into a gRPC status.
func withRPCErrors<Output>(_ handle: () async throws -> Output) async throws -> Output {
  do {
    return try await handle()
  } catch {
    throw RPCError(handling: error)
  }
}

extension PeerInfo {
  /// This description as a message.
  var message: Plumise_Petals_InfoResponse {
    var message = Plumise_Petals_InfoResponse()
    message.modelName = modelName
    message.modelFingerprint = fingerprint
    message.blocks = Plumise_Petals_BlockRange(blocks)
    message.totalBlocks = Int32(clamping: blocks.blockCount)
    message.hiddenSize = Int32(clamping: hiddenSize)
    message.ready = isReady
    message.agentAddress = agent?.checksummed ?? ""
    message.uptimeMilliseconds = UInt64(saturating: uptime / .milliseconds(1))
    message.cache = cache.message
    message.maximumLength = Int32(clamping: maximumLength)
    message.blockStepNanoseconds = (blockStep ?? .zero).wireNanoseconds
    message.handsOn = handsOn
    return message
  }

  /// Checks a peer's description.
  ///
  /// - Throws: ``NodeError/Code/failedPrecondition`` when it describes no node that can exist.
  init(_ message: Plumise_Petals_InfoResponse, from peer: String) throws(NodeError) {
    guard message.hiddenSize > 0, message.maximumLength > 0 else {
      throw NodeError(
        .failedPrecondition,
        "it claims a hidden size of \(message.hiddenSize) and at most \(message.maximumLength) tokens",
        peer: peer)
    }
    do {
      let blocks = try BlockRange(message.blocks.range(), of: Int(message.totalBlocks))
      let agent =
        message.agentAddress.isEmpty ? nil : try Address(message.agentAddress)
      self.init(
        modelName: message.modelName, fingerprint: message.modelFingerprint, blocks: blocks,
        hiddenSize: Int(message.hiddenSize),
        isReady: message.ready, agent: agent,
        uptime: .milliseconds(Int64(clamping: message.uptimeMilliseconds)),
        cache: CacheUsage(message.cache), maximumLength: Int(message.maximumLength),
        blockStep: message.blockStepNanoseconds == 0
          ? nil : Duration(wireNanoseconds: message.blockStepNanoseconds),
        handsOn: message.handsOn)
    } catch {
      throw NodeError(
        .failedPrecondition, "its description of itself is wrong: \(error)", peer: peer)
    }
  }
}

extension CacheUsage {
  /// These accounts as a message.
  var message: Plumise_Petals_CacheUsage {
    var message = Plumise_Petals_CacheUsage()
    message.usedBytes = UInt64(clamping: usedBytes)
    message.budgetBytes = UInt64(clamping: budgetBytes)
    message.sessions = UInt32(clamping: sessions)
    message.bytesPerToken = UInt64(clamping: bytesPerToken)
    return message
  }

  /// Accounts from a message.
  init(_ message: Plumise_Petals_CacheUsage) {
    self.init(
      usedBytes: Int(clamping: message.usedBytes), budgetBytes: Int(clamping: message.budgetBytes),
      sessions: Int(message.sessions), bytesPerToken: Int(clamping: message.bytesPerToken))
  }
}

extension Plumise_Petals_SessionFinish {
  /// A summary for a message.
  init(_ summary: SessionSummary) {
    self.init()
    generatedTokens = UInt64(summary.generatedTokens)
    latencyMicroseconds = UInt64(saturating: summary.latency / .microseconds(1))
    if let transcript = summary.transcript {
      inputHash = .init(transcript.inputHash.bytes)
      outputHash = .init(transcript.outputHash.bytes)
    }
  }

  /// Checks a summary from the wire.
  ///
  /// - Throws: ``NodeError/Code/invalidArgument``.
  func summary() throws(NodeError) -> SessionSummary {
    guard let tokens = Int(exactly: generatedTokens),
      let microseconds = Int64(exactly: latencyMicroseconds)
    else {
      throw NodeError(
        .invalidArgument,
        "the summary's generated_tokens is \(generatedTokens) and its latency_microseconds "
          + "\(latencyMicroseconds): send 0 to \(Int64.max)")
    }
    return try SessionSummary(
      generatedTokens: tokens, latency: .microseconds(microseconds), transcript: transcript())
  }

  private func transcript() throws(NodeError) -> SessionSummary.Transcript? {
    if inputHash.isEmpty && outputHash.isEmpty { return nil }
    do {
      return SessionSummary.Transcript(
        inputHash: try Hash32(bytes: inputHash), outputHash: try Hash32(bytes: outputHash))
    } catch {
      throw NodeError(
        .invalidArgument, "a summary has two hashes of 32 bytes, or none: \(error)")
    }
  }
}
