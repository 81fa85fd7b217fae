import ChainAgent
import EthereumPrimitives

extension ServiceEvent {
  /// What an agent's service says, in the words of a node.
  /// - Parameter agent: Whose service it is.
  /// - Returns: Nil for a claim, which nodes do not make.
  init?(_ event: AgentEvent, of agent: Address) {
    switch event {
    case .registered(.registered(let receipt)):
      self = .registered(agent: agent.checksummed, transaction: receipt.transactionHash.hex)
    case .registered(.alreadyRegistered):
      self = .registered(agent: agent.checksummed, transaction: nil)
    case .forgotten:
      self = .trouble("the chain does not know the agent any more: it is registered again")
    case .heartbeat(let receipt): self = .heartbeat(transaction: receipt.transactionHash.hex)
    case .verified(let proof, let receipt):
      self = .verified(
        proof: proof.proofHash.hex, tokens: proof.tokenCount,
        transaction: receipt.transactionHash.hex)
    case .claimed: return nil
    case .failed(let failure): self = .trouble("\(failure)")
    }
  }
}
