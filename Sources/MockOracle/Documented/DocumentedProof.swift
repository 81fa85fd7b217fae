import EthereumPrimitives
import PlumiseWire

/// The rules for a proof in a documented report (WIRE §3.1).
enum DocumentedProof {
  /// Reads one proof: its six fields, and whether they agree with each other and the reporter.
  static func read(
    _ value: JSON, at path: String, agent: Address?, _ reader: inout FieldReader
  ) -> StoredProof? {
    guard let object = reader.object(value, at: path) else { return nil }
    func hash(_ key: String, _ reader: inout FieldReader) -> Hash32? {
      reader.required(key, of: object, at: "\(path).\(key)")
        .flatMap { reader.hash($0, at: "\(path).\(key)") }
    }
    let modelHash = hash("modelHash", &reader)
    let inputHash = hash("inputHash", &reader)
    let outputHash = hash("outputHash", &reader)
    let prover = reader.required("agentAddress", of: object, at: "\(path).agentAddress")
      .flatMap { reader.address($0, at: "\(path).agentAddress") }
    let tokenCount = reader.required("tokenCount", of: object, at: "\(path).tokenCount")
      .flatMap { reader.count($0, at: "\(path).tokenCount") }
    let proofHash = hash("proofHash", &reader)
    if let prover, let agent, prover != agent {
      reader.fault("\(path).agentAddress", "must be the reporting agent \(agent)")
    }
    guard let modelHash, let inputHash, let outputHash, let prover, let tokenCount, let proofHash
    else { return nil }
    // proofHash = keccak256(modelHash ‖ inputHash ‖ outputHash ‖ agent, left-padded to 32 bytes).
    let expected = Keccak256.hash(
      modelHash.bytes + inputHash.bytes + outputHash.bytes + ABI.word(prover))
    if proofHash != expected {
      reader.fault("\(path).proofHash", "must be the hash of the other fields, \(expected)")
    }
    return StoredProof(
      modelHash: modelHash.hex, inputHash: inputHash.hex, outputHash: outputHash.hex,
      tokenCount: tokenCount)
  }
}
