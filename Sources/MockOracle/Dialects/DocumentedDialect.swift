import EthereumPrimitives
import HTTPTypes
import MockServing
import PlumiseWire

/// The documented dialect's answers (Wire.md, documented dialect).
enum DocumentedDialect {
  /// The answer to a report that was accepted.
  static let received = WebResponse.json(
    (["status": "success", "message": "Report received"] as JSON).serialized())

  /// The answer to a report that was not accepted.
  static func answer(to refusal: RejectionReason) -> WebResponse {
    var body: JSONObject = ["status": "error", "message": .string(message(for: refusal))]
    if case .invalid(let faults) = refusal {
      body["detail"] = .array(
        faults.map { ["path": .string($0.path), "message": .string($0.message)] })
    }
    var response = WebResponse.json(
      JSON.object(body).serialized(), status: status(of: refusal))
    if case .tooManyReports(_, let seconds) = refusal {
      response.headers[.retryAfter] = String(seconds)
    }
    return response
  }

  /// The answer where there is no such route.
  static func notFound(_ request: WebRequest) -> WebResponse {
    error("no route \(request.method.rawValue) \(request.path)", status: .notFound)
  }

  /// The answer to a known path that is asked for in a wrong way.
  static func methodNotAllowed(_ request: WebRequest, allowed: String) -> WebResponse {
    var response = error(
      "\(request.path) answers \(allowed) only", status: .methodNotAllowed)
    response.headers[.allow] = allowed
    return response
  }

  static func error(_ message: String, status: HTTPResponse.Status) -> WebResponse {
    .json(
      (["status": "error", "message": .string(message)] as JSON).serialized(), status: status)
  }

  private static func message(for refusal: RejectionReason) -> String {
    switch refusal {
    case .invalid(let faults):
      "Validation failed: " + faults.map { "\($0.path) \($0.message)" }.joined(separator: "; ")
    case .wrongSigner, .malformedSignature, .wrongAPIKey: "Invalid signature: \(refusal)"
    case .unregistered, .registrationUnknown: "Agent not registered: \(refusal)"
    case .replay: "Replay detected: \(refusal)"
    case .outsideWindow: "Stale report: \(refusal)"
    case .malformed: "Malformed JSON: \(refusal)"
    case .tooLarge: "Body too large: \(refusal)"
    case .tooManyReports: "Too many requests: \(refusal)"
    case .unsupportedMedia, .undecodable, .tooManyParameters, .epochUnknown, .tooManyTokens,
      .notWhole, .notStored,
      .registrationReplay, .sameEndpoints, .pipelineFull, .pipelineNodeNotFound, .sponsoringFailed,
      .sponsoringIneffective:
      refusal.description
    }
  }

  private static func status(of refusal: RejectionReason) -> HTTPResponse.Status {
    switch refusal {
    case .tooLarge, .tooManyParameters: .contentTooLarge
    case .unsupportedMedia: .unsupportedMediaType
    case .malformed, .undecodable: .badRequest
    case .invalid, .tooManyTokens, .notWhole: .unprocessableContent
    case .wrongSigner, .malformedSignature, .wrongAPIKey: .unauthorized
    case .unregistered: .forbidden
    case .registrationUnknown, .epochUnknown: .serviceUnavailable
    case .replay, .outsideWindow, .registrationReplay: .conflict
    case .sameEndpoints, .pipelineFull, .pipelineNodeNotFound, .sponsoringFailed,
      .sponsoringIneffective:
      .badRequest
    case .notStored: .internalServerError
    case .tooManyReports: .tooManyRequests
    }
  }
}

/// A report of the documented dialect that was validated; its signature is not checked yet.
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
  /// - Throws: ``RejectionReason/malformed(_:)``, or ``RejectionReason/invalid(_:)`` with every
  ///   error.
  init(_ bytes: [UInt8]) throws(RejectionReason) {
    let body: JSON
    do { body = try JSON.parse(bytes) } catch { throw .malformed(error.description) }

    var reader = PydanticFields()
    guard let root = reader.object(body, at: "body") else { throw .invalid(reader.errors) }
    let payload = root["payload"]
    if payload == nil { reader.addError("payload", "field required") }
    let fields = payload.flatMap { reader.object($0, at: "payload") }
      .map { PayloadFields($0, &reader) }
    let signature = DocumentedFields.signature.read(root, at: "", &reader)

    guard reader.errors.isEmpty, let payload, let signature, let fields,
      let agent = fields.agent, let processedTokens = fields.processedTokens,
      let averageLatency = fields.averageLatency, let uptimeSeconds = fields.uptimeSeconds,
      let tasksCompleted = fields.tasksCompleted, let timestamp = fields.timestamp
    else { throw .invalid(reader.errors) }
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
  /// - Throws: ``RejectionReason/malformedSignature(_:)`` or ``RejectionReason/wrongSigner(recovered:claimed:)``.
  func verify() throws(RejectionReason) {
    try verifySignature(signature, of: signedText, by: agent)
  }
}

/// The payload's fields; `nil` for one that is missing or wrong.
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

  init(_ payload: JSONObject, _ reader: inout PydanticFields) {
    let path = "payload."
    agent = DocumentedFields.agent.read(payload, at: path, &reader)
    processedTokens = DocumentedFields.processedTokens.read(payload, at: path, &reader)
    averageLatency = DocumentedFields.averageLatency.read(payload, at: path, &reader)
    uptimeSeconds = DocumentedFields.uptimeSeconds.read(payload, at: path, &reader)
    tasksCompleted = DocumentedFields.tasksCompleted.read(payload, at: path, &reader)
    timestamp = DocumentedFields.timestamp.read(payload, at: path, &reader)
    guard let listed = payload["proofs"], !listed.isNull else { return }
    guard let elements = listed.arrayValue else {
      reader.addError("payload.proofs", "must be an array")
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

/// The fields of a report's payload, of its body, and of a proof (Wire.md, documented dialect).
enum DocumentedFields {
  static let agent = PydanticField<Address>.address("agent")
  static let processedTokens = PydanticField<Int64>.count("processed_tokens")
  static let averageLatency = PydanticField<Double>.measure("avg_latency_ms")
  static let uptimeSeconds = PydanticField<Int64>.count("uptime_seconds")
  static let tasksCompleted = PydanticField<Int64>.count("tasks_completed")
  static let timestamp = PydanticField<Int64>.count("timestamp")
  static let signature = PydanticField<String>.text("signature")

  static let modelHash = PydanticField<ProofHash>.hash("modelHash")
  static let inputHash = PydanticField<ProofHash>.hash("inputHash")
  static let outputHash = PydanticField<ProofHash>.hash("outputHash")
  static let agentAddress = PydanticField<Address>.address("agentAddress")
  static let tokenCount = PydanticField<Int64>.count("tokenCount")
  static let proofHash = PydanticField<ProofHash>.hash("proofHash")

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

/// The rules for a proof in a documented report (Wire.md, Inference proofs).
enum DocumentedProof {
  /// Reads one proof: its six fields, and whether they agree with each other and the reporter.
  static func read(
    _ value: JSON, at path: String, agent: Address?, _ reader: inout PydanticFields
  ) -> (proof: StoredProof, doubled: Int)? {
    guard let object = reader.object(value, at: path) else { return nil }
    let inside = path + "."
    let modelHash = DocumentedFields.modelHash.read(object, at: inside, &reader)
    let inputHash = DocumentedFields.inputHash.read(object, at: inside, &reader)
    let outputHash = DocumentedFields.outputHash.read(object, at: inside, &reader)
    let prover = DocumentedFields.agentAddress.read(object, at: inside, &reader)
    let tokenCount = DocumentedFields.tokenCount.read(object, at: inside, &reader)
    let proofHash = DocumentedFields.proofHash.read(object, at: inside, &reader)
    if let prover, let agent, prover != agent {
      reader.addError("\(path).agentAddress", "must be the reporting agent \(agent)")
    }
    guard let modelHash, let inputHash, let outputHash, let prover, let tokenCount, let proofHash
    else { return nil }
    // proofHash = keccak256(modelHash ‖ inputHash ‖ outputHash ‖ agent, left-padded to 32 bytes).
    let expected = Keccak256.hash(
      modelHash.value.bytes + inputHash.value.bytes + outputHash.value.bytes + ABI.word(prover))
    if proofHash.value != expected {
      reader.addError("\(path).proofHash", "must be the hash of the other fields, \(expected)")
    }
    let proof = StoredProof(
      modelHash: modelHash.text, inputHash: inputHash.text, outputHash: outputHash.text,
      tokenCount: tokenCount)
    return (proof, [modelHash, inputHash, outputHash, proofHash].count { $0.isDoubled })
  }
}

/// A hash in a documented proof.
///
/// Under web3 6 the reference reporter puts a `0x` in front of texts that have one: `0x0x` and 64
/// digits. That is its fault and not the agent's: such a hash is read, and kept as it came.
struct ProofHash: Sendable {
  let value: Hash32
  /// The text that is kept: in lower case, or as it came where its prefix is doubled.
  let text: String
  let isDoubled: Bool

  /// Reads a hash; nil for what is none.
  init?(_ text: String) {
    isDoubled = text.utf8.starts(with: "0x0x".utf8)
    // What fails to parse is refused with the same words, whatever the reason.
    guard let value = try? Hash32(isDoubled ? String(text.dropFirst(2)) : text) else { return nil }
    self.value = value
    self.text = isDoubled ? text : value.hex
  }
}
