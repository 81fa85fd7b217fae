import EthereumPrimitives
import PlumiseWire

/// A proof whose fields agree, of an agent given by its address.
func validProof(of agent: String) -> JSONObject {
  guard let address = try? Address(agent) else { fatalError("\(agent) is no address") }
  let proof = InferenceProof(
    model: "bigscience/bloom-560m", input: "Explain quantum computing", output: "It is",
    agent: address, tokenCount: 2)
  return proof.json.objectValue ?? JSONObject()
}
