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
  /// What was read although it is not as it should be.
  let notes: [String]
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
    let payload = root["payload"]
    if payload == nil { reader.fault("payload", "field required") }
    let fields = payload.flatMap { reader.object($0, at: "payload") }
      .map { PayloadFields($0, &reader) }
    let signature = DocumentedFields.signature.read(root, at: "", &reader)

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
    notes =
      fields.doubledHashes == 0
      ? []
      : [
        "\(fields.doubledHashes) hashes of proofs begin with 0x0x, as the reference reporter spells "
          + "them under web3 6; they are kept as they came"
      ]
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
  let agent: Address?
  let processedTokens: Int64?
  let averageLatency: Double?
  let uptimeSeconds: Int64?
  let tasksCompleted: Int64?
  let timestamp: Int64?
  var proofs: [StoredProof] = []
  /// How many hashes of the proofs have a doubled prefix.
  var doubledHashes = 0

  init(_ payload: JSONObject, _ reader: inout FieldReader) {
    let path = "payload."
    agent = DocumentedFields.agent.read(payload, at: path, &reader)
    processedTokens = DocumentedFields.processedTokens.read(payload, at: path, &reader)
    averageLatency = DocumentedFields.averageLatency.read(payload, at: path, &reader)
    uptimeSeconds = DocumentedFields.uptimeSeconds.read(payload, at: path, &reader)
    tasksCompleted = DocumentedFields.tasksCompleted.read(payload, at: path, &reader)
    timestamp = DocumentedFields.timestamp.read(payload, at: path, &reader)
    guard let listed = payload["proofs"], !listed.isNull else { return }
    guard let elements = listed.arrayValue else {
      reader.fault("payload.proofs", "must be an array")
      return
    }
    proofs.reserveCapacity(min(elements.count, 2048))
    for (index, element) in elements.enumerated() where !reader.isFull {
      let path = "payload.proofs.\(index)"
      guard let read = DocumentedProof.read(element, at: path, agent: agent, &reader) else {
        continue
      }
      proofs.append(read.proof)
      doubledHashes += read.doubled
    }
  }
}
