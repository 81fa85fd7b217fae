public import EthereumPrimitives

/// A report in the documented dialect (Wire.md): a payload, and a signature over all of it.
public struct DocumentedReport: Hashable, Sendable {
  /// The signed part of the report.
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

    /// A payload whose measures are checked and rounded here.
    ///
    /// - Throws: `ReportError` that names the field which is negative or no number.
    public init(
      agent: Address, processedTokens: Int64, averageLatencyMilliseconds: Double,
      uptimeSeconds: Int64, tasksCompleted: Int64, timestamp: Int64,
      proofs: [InferenceProof]? = nil
    ) throws(ReportError) {
      let measures = try ReportMeasures(
        agent: agent, processedTokens: processedTokens,
        averageLatencyMilliseconds: averageLatencyMilliseconds, uptimeSeconds: uptimeSeconds,
        tasksCompleted: tasksCompleted, timestamp: timestamp)
      self.init(measures, proofs: proofs)
    }

    /// The payload as it is sent; the latency always has a fraction.
    public var json: JSON {
      var object: JSONObject = [
        "agent": .string(measures.agent.checksummed),
        "processed_tokens": .integer(measures.processedTokens),
        "avg_latency_ms": .number(JSONNumber(python: measures.averageLatencyMilliseconds)),
        "uptime_seconds": .integer(measures.uptimeSeconds),
        "tasks_completed": .integer(measures.tasksCompleted),
        "timestamp": .integer(measures.timestamp),
      ]
      object["proofs"] = proofs.map { .array($0.map(\.json)) }
      return .object(object)
    }

    /// The text that the signature covers.
    public var signedText: SignedText { SignedText(canonical: json) }

    /// Signs the payload.
    public func signed(with key: SecretKey) -> DocumentedReport {
      DocumentedReport(payload: self, signature: signedText.signature(by: key))
    }
  }

  /// Where the report is posted.
  public static let path = "/api/v1/report"

  /// The signed part of the report.
  public let payload: Payload
  /// The agent's signature over the payload.
  public let signature: Signature

  /// A payload with a signature made elsewhere.
  public init(payload: Payload, signature: Signature) {
    self.payload = payload
    self.signature = signature
  }

  /// The body that is posted.
  public var body: JSON {
    ["payload": payload.json, "signature": .string(signature.hex)]
  }
}
