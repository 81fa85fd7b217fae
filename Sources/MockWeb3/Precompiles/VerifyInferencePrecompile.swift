import EthereumPrimitives
import PlumiseWire

/// 0x20: counts an inference that an agent proves (Wire.md, Precompiled contracts), in either
/// layout.
enum VerifyInferencePrecompile {
  static func run(
    _ message: Message, in execution: inout Execution
  ) throws(Revert) -> [UInt8] {
    let proof: InferenceProof
    do {
      proof = try ProofLayout(guessedFrom: message.input).decode(message.input)
    } catch {
      throw Revert("verifyInference: \(error)")
    }
    // The live testnet accepted a proof from anyone, about anyone.
    if execution.rules.profile == .default {
      guard execution.state.agents.isRegistered(proof.agent) else {
        throw Revert("verifyInference: agent not registered")
      }
      guard message.caller == proof.agent else {
        throw Revert("verifyInference: caller is not the agent")
      }
    }
    execution.state.agents.update(proof.agent) { record in
      record.inferenceCount = record.inferenceCount.addingUpTo(1)
      record.totalTokensProcessed = record.totalTokensProcessed.adding(
        Word(UInt64(proof.tokenCount)), upTo: .max)
    }
    // The word 1: verified.
    return ABI.word(true)
  }
}
