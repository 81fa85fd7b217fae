public import EthereumPrimitives

/// A report in the dialect of the oracle that runs today: a flat body, of which three fields are
/// signed.
public struct DeployedReport: Hashable, Sendable {
  /// The contents of the report; its agent, tokens and time are signed.
  public struct Payload: Hashable, Sendable {
    /// The measures.
    public let measures: ReportMeasures
    /// Proofs of inferences, when the report carries any.
    public let proofs: [InferenceProof]?

    /// A payload of measures and the proofs that go with them.
    public init(_ measures: ReportMeasures, proofs: [InferenceProof]? = nil) {
      self.measures = measures
      self.proofs = proofs
    }

    /// The text that the signature covers.
    public var signedText: SignedText {
      DeployedReport.signedText(
        agent: .string(measures.agent.checksummed), tokens: .integer(measures.processedTokens),
        timestamp: .integer(measures.timestamp))
    }

    /// Signs the payload.
    public func signed(with key: SecretKey) -> DeployedReport {
      DeployedReport(payload: self, signature: signedText.signature(by: key))
    }
  }

  /// Where the report is posted.
  public static let path = "/api/v1/metrics/report"
  /// The path for reports with the oracle's key, in the header `x-api-key`.
  public static let keyedPath = "/api/metrics"

  /// The contents of the report.
  public let payload: Payload
  /// The agent's signature.
  public let signature: Signature

  /// A payload with a signature made elsewhere.
  public init(payload: Payload, signature: Signature) {
    self.payload = payload
    self.signature = signature
  }

  /// The deployed oracle's words for a timestamp that is not above the agent's last accepted one, in a
  /// report or a registration.
  ///
  /// It has no status and no code for them: a replay is 400, as a bad signature is in the pipeline.
  public static let replayMessage = "Replay detected: timestamp must be strictly increasing"

  /// The text that a signature covers, from the fields as they stand in a body.
  public static func signedText(agent: JSON?, tokens: JSON?, timestamp: JSON?) -> SignedText {
    SignedText(stringified: [
      ("agent", agent), ("processed_tokens", tokens), ("timestamp", timestamp),
    ])
  }

  /// The body that is posted.
  ///
  /// Its proofs lack the agent and the proof hash, which the deployed oracle refuses; a proof of no
  /// token is left out, since it would have the whole report refused.
  public var body: JSON {
    let measures = payload.measures
    var object: JSONObject = [
      "wallet": .string(measures.agent.checksummed),
      "tokensProcessed": .integer(measures.processedTokens),
      "avgLatencyMs": .number(JSONNumber(javaScript: measures.averageLatencyMilliseconds)),
      "uptimeSeconds": .integer(measures.uptimeSeconds),
      "requestCount": .integer(measures.tasksCompleted),
      "timestamp": .integer(measures.timestamp),
      "signature": .string(signature.hex),
    ]
    object["proofs"] = payload.proofs.map { proofs in
      .array(proofs.filter { $0.tokenCount > 0 }.map(\.deployedJSON))
    }
    return .object(object)
  }
}
