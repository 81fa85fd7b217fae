import EthereumPrimitives
import PlumiseWire

/// A report of the documented dialect whose form is right; whose it is, is not known yet.
struct DocumentedBody {
  let agent: Address
  let processedTokens: Int64
  let averageLatencyMilliseconds: Double
  let uptimeSeconds: Int64
  let tasksCompleted: Int64
  let timestamp: Int64
  let proofs: [StoredProof]
  /// The signature, as it came.
  let signature: String
  /// What the signature must be of: the whole payload, with every number as it stood in the body.
  let signedText: SignedText

  /// Reads a body.
  /// - Throws: ``Refusal/malformed(_:)``, or ``Refusal/invalid(_:)`` with every fault.
  init(_ bytes: [UInt8]) throws(Refusal) {
    let body: JSON
    do { body = try JSON.parse(bytes) } catch { throw .malformed(error.description) }

    var reader = FieldReader()
    guard let root = reader.object(body, at: "body") else { throw .invalid(reader.faults) }
    let payload = reader.required("payload", of: root, at: "payload")
    let members = payload.flatMap { reader.object($0, at: "payload") }
    let fields = members.map { PayloadFields($0, &reader) }
    let signature = reader.required("signature", of: root, at: "signature").flatMap {
      reader.string($0, at: "signature")
    }

    guard reader.faults.isEmpty, let payload, let signature, let fields,
      let agent = fields.agent, let processedTokens = fields.processedTokens,
      let averageLatency = fields.averageLatency, let uptimeSeconds = fields.uptimeSeconds,
      let tasksCompleted = fields.tasksCompleted, let timestamp = fields.timestamp
    else { throw .invalid(reader.faults) }
    self.agent = agent
    self.processedTokens = processedTokens
    self.averageLatencyMilliseconds = averageLatency
    self.uptimeSeconds = uptimeSeconds
    self.tasksCompleted = tasksCompleted
    self.timestamp = timestamp
    self.proofs = fields.proofs
    self.signature = signature
    self.signedText = SignedText(canonical: payload)
  }

  /// Checks that the agent signed the payload.
  /// - Throws: ``Refusal/malformedSignature(_:)`` or ``Refusal/wrongSigner(recovered:claimed:)``.
  func verify() throws(Refusal) {
    try verifySignature(signature, of: signedText, by: agent)
  }
}

/// The payload's fields; `nil` for one that the reader found a fault in.
private struct PayloadFields {
  var agent: Address?
  var processedTokens: Int64?
  var averageLatency: Double?
  var uptimeSeconds: Int64?
  var tasksCompleted: Int64?
  var timestamp: Int64?
  var proofs: [StoredProof] = []

  init(_ payload: JSONObject, _ reader: inout FieldReader) {
    func path(_ key: String) -> String { "payload.\(key)" }
    agent = reader.required("agent", of: payload, at: path("agent"))
      .flatMap { reader.address($0, at: path("agent")) }
    processedTokens = reader.required("processed_tokens", of: payload, at: path("processed_tokens"))
      .flatMap { reader.count($0, at: path("processed_tokens")) }
    averageLatency = reader.required("avg_latency_ms", of: payload, at: path("avg_latency_ms"))
      .flatMap { reader.measure($0, at: path("avg_latency_ms")) }
    uptimeSeconds = reader.required("uptime_seconds", of: payload, at: path("uptime_seconds"))
      .flatMap { reader.count($0, at: path("uptime_seconds")) }
    tasksCompleted = reader.required("tasks_completed", of: payload, at: path("tasks_completed"))
      .flatMap { reader.count($0, at: path("tasks_completed")) }
    timestamp = reader.required("timestamp", of: payload, at: path("timestamp"))
      .flatMap { reader.count($0, at: path("timestamp")) }
    guard let listed = payload["proofs"], !listed.isNull else { return }
    guard let elements = listed.arrayValue else {
      reader.fault(path("proofs"), "must be an array")
      return
    }
    proofs = elements.enumerated().compactMap { index, element in
      DocumentedProof.read(element, at: path("proofs.\(index)"), agent: agent, &reader)
    }
  }
}
