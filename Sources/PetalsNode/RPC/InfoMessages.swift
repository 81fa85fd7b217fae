import Bloom
import EthereumPrimitives
import PipelineRPC

extension PeerInfo {
  /// This description as a message.
  var message: Plumise_Petals_InfoResponse {
    var message = Plumise_Petals_InfoResponse()
    message.modelName = modelName
    message.modelFingerprint = fingerprint
    message.blocks = Plumise_Petals_BlockRange(blocks)
    message.totalBlocks = Int32(clamping: blocks.layerCount)
    message.hiddenSize = Int32(clamping: hiddenSize)
    message.ready = isReady
    message.agentAddress = agent?.checksummed ?? ""
    message.uptimeMilliseconds = UInt64(saturating: uptime / .milliseconds(1))
    message.cache = cache.message
    message.maximumLength = Int32(clamping: maximumLength)
    message.blockStepNanoseconds = (blockStep ?? .zero).wireNanoseconds
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
      let blocks = try LayerRange(message.blocks.range(), of: Int(message.totalBlocks))
      let agent =
        message.agentAddress.isEmpty ? nil : try Address(message.agentAddress)
      self.init(
        modelName: message.modelName, fingerprint: message.modelFingerprint, blocks: blocks,
        hiddenSize: Int(message.hiddenSize),
        isReady: message.ready, agent: agent,
        uptime: .milliseconds(Int64(clamping: message.uptimeMilliseconds)),
        cache: CacheUsage(message.cache), maximumLength: Int(message.maximumLength),
        blockStep: message.blockStepNanoseconds == 0
          ? nil : Duration(wireNanoseconds: message.blockStepNanoseconds))
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
