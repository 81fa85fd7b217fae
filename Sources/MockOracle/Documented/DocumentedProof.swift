import EthereumPrimitives
import PlumiseWire

/// The rules for a proof in a documented report (Wire.md, Inference proofs).
enum DocumentedProof {
  /// Reads one proof: its six fields, and whether they agree with each other and the reporter.
  static func read(
    _ value: JSON, at path: String, agent: Address?, _ reader: inout FieldReader
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
      reader.fault("\(path).agentAddress", "must be the reporting agent \(agent)")
    }
    guard let modelHash, let inputHash, let outputHash, let prover, let tokenCount, let proofHash
    else { return nil }
    // proofHash = keccak256(modelHash ‖ inputHash ‖ outputHash ‖ agent, left-padded to 32 bytes).
    let expected = Keccak256.hash(
      modelHash.value.bytes + inputHash.value.bytes + outputHash.value.bytes + ABI.word(prover))
    if proofHash.value != expected {
      reader.fault("\(path).proofHash", "must be the hash of the other fields, \(expected)")
    }
    let proof = StoredProof(
      modelHash: modelHash.text, inputHash: inputHash.text, outputHash: outputHash.text,
      tokenCount: tokenCount)
    return (proof, [modelHash, inputHash, outputHash, proofHash].count { $0.isDoubled })
  }
}
