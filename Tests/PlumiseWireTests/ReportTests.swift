import EthereumPrimitives
import PlumiseWire
import Testing

@Suite("Reports")
struct ReportTests {
  @Test(
    "A documented report is signed as another implementation signs it",
    arguments: Vectors.all.reports)
  func documented(_ vector: Vectors.Report) throws {
    let key = try SecretKey(hex: vector.privateKey)
    let payload = DocumentedReport.Payload(try vector.measures())
    #expect(payload.signedText.text == vector.documented.canonical)
    let report = payload.signed(with: key)
    #expect(report.signature.hex == vector.documented.signature)
    #expect(try payload.signedText.signer(of: report.signature) == key.address)
  }

  @Test(
    "A deployed report is signed as another implementation signs it", arguments: Vectors.all.reports
  )
  func deployed(_ vector: Vectors.Report) throws {
    let key = try SecretKey(hex: vector.privateKey)
    let payload = DeployedReport.Payload(try vector.measures())
    #expect(payload.signedText.text == vector.deployed.signed)
    let report = payload.signed(with: key)
    let body = vector.deployed.body
    #expect(report.body["signature"]?.stringValue == body.signature)
    #expect(report.body["wallet"]?.stringValue == body.wallet)
    #expect(report.body["tokensProcessed"]?.integerValue == body.tokensProcessed)
    #expect(report.body["avgLatencyMs"]?.doubleValue == body.avgLatencyMs)
    #expect(report.body["uptimeSeconds"]?.integerValue == body.uptimeSeconds)
    #expect(report.body["requestCount"]?.integerValue == body.requestCount)
    #expect(report.body["timestamp"]?.integerValue == body.timestamp)
  }

  @Test(
    "A documented body survives the way and recovers to its agent", arguments: Vectors.all.reports)
  func arrival(_ vector: Vectors.Report) throws {
    let key = try SecretKey(hex: vector.privateKey)
    let sent = DocumentedReport.Payload(try vector.measures()).signed(with: key).body.serialized()
    let body = try JSON.parse(sent)
    let payload = try #require(body["payload"])
    let signature = try Signature(hex: #require(body["signature"]?.stringValue))
    #expect(try SignedText(canonical: payload).signer(of: signature) == key.address)
  }

  @Test("The verifier of the deployed dialect prints a number as JavaScript does")
  func reprinting() throws {
    let text = DeployedReport.signedText(
      agent: "0xé/", tokens: try JSON.parse("600.0"), timestamp: try JSON.parse("1.77e9"))
    #expect(text.text == #"{"agent":"0xé/","processed_tokens":600,"timestamp":1770000000}"#)
  }

  @Test(
    "The average latency is rounded to two decimals as Python rounds",
    arguments: [
      (123.456, "123.46"), (100, "100.0"), (2.675, "2.67"), (1.115, "1.11"), (0.125, "0.12"),
      (0.375, "0.38"), (0.005, "0.01"), (0.004, "0.0"), (-0.0, "0.0"), (1e16, "1e+16"),
      (99.995, "100.0"),
    ])
  func rounding(_ latency: Double, _ text: String) throws {
    let payload = try DocumentedReport.Payload(
      agent: .zero, processedTokens: 0, averageLatencyMilliseconds: latency, uptimeSeconds: 0,
      tasksCompleted: 0, timestamp: 0)
    #expect(payload.json["avg_latency_ms"]?.numberValue?.text == text)
  }

  @Test(
    "A latency that is no length of time is refused",
    arguments: [-1, -Double.infinity, .infinity, .nan])
  func latency(_ latency: Double) {
    #expect(throws: ReportError.self) {
      try ReportMeasures(
        agent: .zero, processedTokens: 0, averageLatencyMilliseconds: latency, uptimeSeconds: 0,
        tasksCompleted: 0, timestamp: 0)
    }
  }

  @Test(
    "A negative counter is refused by name",
    arguments: [
      (ReportError.Field.processedTokens, [-1, 0, 0, 0]), (.uptimeSeconds, [0, -1, 0, 0]),
      (.tasksCompleted, [0, 0, -1, 0]), (.timestamp, [0, 0, 0, -1]),
    ] as [(ReportError.Field, [Int64])])
  func negative(_ field: ReportError.Field, _ values: [Int64]) {
    #expect(throws: ReportError.negative(field, -1)) {
      try ReportMeasures(
        agent: .zero, processedTokens: values[0], averageLatencyMilliseconds: 0,
        uptimeSeconds: values[1], tasksCompleted: values[2], timestamp: values[3])
    }
  }

  @Test("Proofs travel whole in the documented dialect, cut and without empty ones in the deployed")
  func proofs() throws {
    let key = SecretKey.random()
    let measures = try ReportMeasures(
      agent: key.address, processedTokens: 4, averageLatencyMilliseconds: 1, uptimeSeconds: 1,
      tasksCompleted: 1, timestamp: 1)
    let proofs = [4, 0].map {
      InferenceProof(model: "m", input: "i", output: "o", agent: key.address, tokenCount: $0)
    }
    let documented = DocumentedReport.Payload(measures, proofs: proofs)
    #expect(documented.json["proofs"]?.arrayValue?.count == 2)
    #expect(documented.json["proofs"]?[0]?["agentAddress"] != nil)
    #expect(documented.signedText.text.contains("proofHash"))
    let deployed = DeployedReport.Payload(measures, proofs: proofs).signed(with: key)
    #expect(deployed.body["proofs"] == .array([proofs[0].deployedJSON]))
  }
}

extension Vectors.Report {
  func measures() throws -> ReportMeasures {
    let payload = documented.payload
    return try ReportMeasures(
      agent: Address(checksummed: payload.agent), processedTokens: payload.processed_tokens,
      averageLatencyMilliseconds: payload.avg_latency_ms, uptimeSeconds: payload.uptime_seconds,
      tasksCompleted: payload.tasks_completed, timestamp: payload.timestamp)
  }
}

@Suite("Inference proofs")
struct ProofTests {
  @Test("The digests equal those of another implementation", arguments: Vectors.all.proofs)
  func golden(_ vector: Vectors.Proof) throws {
    let proof = try vector.proof()
    #expect(proof.modelHash.hex == vector.modelHash)
    #expect(proof.inputHash.hex == vector.inputHash)
    #expect(proof.outputHash.hex == vector.outputHash)
    #expect(proof.proofHash.hex == vector.proofHash)
  }

  @Test("The input of 0x20 equals that of another implementation", arguments: Vectors.all.proofs)
  func calldata(_ vector: Vectors.Proof) throws {
    let proof = try vector.proof()
    let modelFirst = PrecompileCall.verifyInference(proof, layout: .modelFirst)
    let agentFirst = PrecompileCall.verifyInference(proof, layout: .agentFirst)
    #expect(Hex.encode(modelFirst.input) == vector.calldataModelFirst)
    #expect(Hex.encode(agentFirst.input) == vector.calldataAgentFirst)
  }

  @Test(
    "Either layout is told from the other and read back", arguments: Vectors.all.proofs,
    ProofLayout.allCases)
  func decoding(_ vector: Vectors.Proof, _ layout: ProofLayout) throws {
    let call = PrecompileCall.verifyInference(try vector.proof(), layout: layout)
    #expect(try PrecompileCall(to: .verifyInference, input: call.input) == call)
  }

  @Test("The JSON of a proof reads back", arguments: Vectors.all.proofs)
  func json(_ vector: Vectors.Proof) throws {
    let proof = try vector.proof()
    #expect(try InferenceProof(json: JSON.parse(proof.json.serialized())) == proof)
  }

  @Test(
    "A proof with a slip is refused, and the error names the field",
    arguments: [
      ("modelHash", nil, .missing(.modelHash)), ("inputHash", 1, .missing(.inputHash)),
      ("tokenCount", "4", .missing(.tokenCount)), ("agentAddress", nil, .missing(.agentAddress)),
      (
        "tokenCount", -1,
        .malformed(.tokenCount, "-1 is below zero")
      ),
      (
        "outputHash", "0x00",
        .malformed(.outputHash, "a hash has exactly 32 bytes, not 1")
      ),
    ] as [(String, JSON?, InferenceProofError)])
  func slips(_ field: String, _ value: JSON?, _ error: InferenceProofError) throws {
    var object = try #require(try Vectors.all.proofs[0].proof().json.objectValue)
    object[field] = value
    #expect(throws: error) { try InferenceProof(json: .object(object)) }
  }

  @Test("A proof whose hash does not fit is refused with both")
  func wrongProofHash() throws {
    let proof = try Vectors.all.proofs[0].proof()
    var object = try #require(proof.json.objectValue)
    object["proofHash"] = .string(Hash32.zero.hex)
    #expect(throws: InferenceProofError.wrongProofHash(expected: proof.proofHash, actual: .zero)) {
      try InferenceProof(json: .object(object))
    }
  }
}

extension Vectors.Proof {
  func proof() throws -> InferenceProof {
    InferenceProof(
      model: model, input: input, output: output, agent: try Address(agent), tokenCount: tokenCount)
  }
}
