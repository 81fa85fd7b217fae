import EthereumPrimitives
import PipelineRPC

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
