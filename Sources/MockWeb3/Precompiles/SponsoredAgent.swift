import EthereumPrimitives
import PlumiseWire

/// Whom a heartbeat or a claim is for: its sender, or the agent that somebody else pays for.
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
