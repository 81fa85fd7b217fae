import EVM
import EthereumPrimitives
import PlumiseWire

/// 0x20: counts an inference that an agent proves (Wire.md, Precompiled contracts), in either
/// layout.
enum VerifyInferencePrecompile {
  static func run(
    _ message: Message, in execution: Execution
  ) throws(Revert) -> [UInt8] {
    let proof: InferenceProof
    do {
      proof = try ProofLayout(guessedFrom: message.input).decode(message.input)
    } catch {
      throw Revert("verifyInference: \(error)")
    }
    // The live testnet accepted a proof from anyone, about anyone.
    if execution.rules.profile != .testnet2026 {
      guard execution.state.agents.isRegistered(proof.agent) else {
        throw Revert("verifyInference: agent not registered")
      }
      guard message.caller == proof.agent else {
        throw Revert("verifyInference: caller is not the agent")
      }
    }
    execution.state.agents.update(proof.agent) { record in
      record.inferenceCount = record.inferenceCount.addingSaturating(1)
      record.totalTokensProcessed = record.totalTokensProcessed.adding(
        Word(UInt64(proof.tokenCount)), upTo: .max)
    }
    // The word 1: verified.
    return ABI.word(true)
  }
}

/// 0x21: registers the sender, or the beneficiary that the input names (Wire.md, Precompiled
/// contracts).
enum AgentRegisterPrecompile {
  static func run(
    _ message: Message, in execution: Execution
  ) throws(Revert) -> [UInt8] {
    let registration: AgentRegistration
    do {
      registration = try AgentRegistration(input: message.input)
    } catch {
      throw Revert("agentRegister: \(error)")
    }
    let agent = registration.beneficiary ?? message.caller
    guard !execution.state.agents.isRegistered(agent) else {
      throw Revert("agentRegister: already registered")
    }
    var record = RegisteredAgent(
      wallet: agent, metadata: registration.name, registeredAt: execution.block.timestamp)
    record.modelHash = registration.modelHash
    record.capabilities = registration.capabilities
    execution.state.agents.add(record)
    return []
  }
}

/// 0x22: notes that the sender, or the agent that the input names, is alive (Wire.md, Precompiled
/// contracts).
enum AgentHeartbeatPrecompile {
  static func run(
    _ message: Message, in execution: Execution
  ) throws(Revert) -> [UInt8] {
    let agent = try SponsoredAgent.read(message, to: .agentHeartbeat, name: "agentHeartbeat")
    guard execution.state.agents.isRegistered(agent) else {
      throw Revert("agentHeartbeat: not registered")
    }
    let now = execution.block.timestamp
    execution.state.agents.update(agent) { $0.recordHeartbeat(at: now) }
    return []
  }
}

/// 0x23: pays the sender, or the agent that the input names, through the reward pool (Wire.md,
/// Precompiled contracts).
enum ClaimRewardPrecompile {
  static func run(
    _ message: Message, in execution: Execution
  ) throws(Revert) -> [UInt8] {
    let agent = try SponsoredAgent.read(message, to: .claimReward, name: "claimReward")
    // The pool's own claim reverts when nothing is pending; the precompile does not.
    guard execution.state.pool.pending[agent] != nil else { return [] }
    // Version 1 of the pool has no claimRewardFor, and no source says what the precompile does there.
    return try RewardPoolContract.claim(
      for: agent, pool: execution.rules.poolAddress, in: execution)
  }
}

/// The agent of a heartbeat or a claim: the sender, or an agent that the sender pays for.
enum SponsoredAgent {
  static func read(
    _ message: Message, to contract: PrecompileCall.Contract, name: String
  ) throws(Revert) -> Address {
    do {
      switch try PrecompileCall(to: contract, input: message.input) {
      case .heartbeat(let agent), .claimReward(let agent): return agent ?? message.caller
      case .registration, .verifyInference: return message.caller
      }
    } catch {
      throw Revert("\(name): \(error)")
    }
  }
}
