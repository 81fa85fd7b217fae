import EthereumPrimitives
import PlumiseWire

/// One field of a documented body: how it is read, and how it is described.
struct DocumentedField<Value: Sendable>: Sendable {
  let name: String
  let schema: Schema
  private let take: @Sendable (inout FieldReader, JSON, () -> String) -> Value?

  fileprivate init(
    _ name: String, _ schema: Schema,
    _ take: @escaping @Sendable (inout FieldReader, JSON, () -> String) -> Value?
  ) {
    self.name = name
    self.schema = schema
    self.take = take
  }

  /// The field of an object; nil with the fault noted when it is missing or wrong.
  /// - Parameter path: where the object stands, with a point behind it; empty for the body.
  func read(_ object: JSONObject, at path: String, _ reader: inout FieldReader) -> Value? {
    guard let value = object[name] else {
      reader.fault(path + name, "field required")
      return nil
    }
    return take(&reader, value) { path + name }
  }
}

extension DocumentedField<Address> {
  static func address(_ name: String) -> Self {
    Self(name, .address) { $0.address($1, at: $2()) }
  }
}

extension DocumentedField<Int64> {
  static func count(_ name: String) -> Self { Self(name, .count) { $0.count($1, at: $2()) } }
}

extension DocumentedField<Double> {
  static func measure(_ name: String) -> Self { Self(name, .measure) { $0.measure($1, at: $2()) } }
}

extension DocumentedField<ProofHash> {
  static func hash(_ name: String) -> Self { Self(name, .proofHash) { $0.hash($1, at: $2()) } }
}

extension DocumentedField<String> {
  static func text(_ name: String) -> Self { Self(name, .text) { $0.string($1, at: $2()) } }
}

/// The fields of a report's payload, of its body, and of a proof (Wire.md, documented dialect).
enum DocumentedFields {
  static let agent = DocumentedField<Address>.address("agent")
  static let processedTokens = DocumentedField<Int64>.count("processed_tokens")
  static let averageLatency = DocumentedField<Double>.measure("avg_latency_ms")
  static let uptimeSeconds = DocumentedField<Int64>.count("uptime_seconds")
  static let tasksCompleted = DocumentedField<Int64>.count("tasks_completed")
  static let timestamp = DocumentedField<Int64>.count("timestamp")
  static let signature = DocumentedField<String>.text("signature")

  static let modelHash = DocumentedField<ProofHash>.hash("modelHash")
  static let inputHash = DocumentedField<ProofHash>.hash("inputHash")
  static let outputHash = DocumentedField<ProofHash>.hash("outputHash")
  static let agentAddress = DocumentedField<Address>.address("agentAddress")
  static let tokenCount = DocumentedField<Int64>.count("tokenCount")
  static let proofHash = DocumentedField<ProofHash>.hash("proofHash")

  /// What a proof must have.
  static let proofSchema = Schema.object([
    (modelHash.name, modelHash.schema), (inputHash.name, inputHash.schema),
    (outputHash.name, outputHash.schema), (agentAddress.name, agentAddress.schema),
    (tokenCount.name, tokenCount.schema), (proofHash.name, proofHash.schema),
  ])

  /// What a body must have.
  static let bodySchema = Schema.object([
    (
      "payload",
      .object(
        [
          (agent.name, agent.schema), (processedTokens.name, processedTokens.schema),
          (averageLatency.name, averageLatency.schema), (uptimeSeconds.name, uptimeSeconds.schema),
          (tasksCompleted.name, tasksCompleted.schema), (timestamp.name, timestamp.schema),
        ], optional: [("proofs", .nullable(.list(proofSchema)))])
    ),
    (signature.name, signature.schema),
  ])
}
