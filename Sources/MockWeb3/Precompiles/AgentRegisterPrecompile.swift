import EthereumPrimitives
import PlumiseWire

/// 0x21: registers the sender, or the beneficiary that the input names (Wire.md, Precompiled
/// contracts).
enum AgentRegisterPrecompile {
  static func run(
    _ message: Message, in execution: inout Execution
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
    var record = AgentRecord(
      wallet: agent, metadata: registration.name, registeredAt: execution.block.timestamp)
    record.modelHash = registration.modelHash
    record.capabilities = registration.capabilities
    execution.state.agents.add(record)
    return []
  }
}
