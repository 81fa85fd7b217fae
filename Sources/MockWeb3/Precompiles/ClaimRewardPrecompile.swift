import EthereumPrimitives
import PlumiseWire

/// 0x23: pays the sender, or the agent that the input names, through the reward pool (Wire.md,
/// Precompiled contracts).
enum ClaimRewardPrecompile {
  static func run(
    _ message: Message, in execution: inout Execution
  ) throws(Revert) -> [UInt8] {
    let agent = try SponsoredAgent.read(message, to: .claimReward, name: "claimReward")
    // The pool's own claim reverts when nothing is pending; the precompile does not.
    guard execution.state.pool.pending[agent] != nil else { return [] }
    let function = RewardPoolContract.Function.claimRewardFor
    let call = Message(
      caller: message.recipient, recipient: execution.rules.poolAddress, value: .zero,
      input: ABI.call(function.rawValue, [.address(agent)]))
    return try RewardPoolContract.run(call, in: &execution)
  }
}
