import EthereumPrimitives
import PlumiseWire
import Testing

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
