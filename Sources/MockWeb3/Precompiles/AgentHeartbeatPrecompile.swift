import EthereumPrimitives
import PlumiseWire

/// 0x22: notes that the sender, or the agent that the input names, is alive (Wire.md, Precompiled
/// contracts).
enum AgentHeartbeatPrecompile {
  static func run(
    _ message: Message, in execution: inout Execution
  ) throws(Revert) -> [UInt8] {
    let agent = try SponsoredAgent.read(message, to: .agentHeartbeat, name: "agentHeartbeat")
    guard execution.state.agents.isRegistered(agent) else {
      throw Revert("agentHeartbeat: not registered")
    }
    let now = execution.block.timestamp
    execution.state.agents.update(agent) { $0.beat(at: now) }
    return []
  }
}
