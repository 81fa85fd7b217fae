public import EthereumClient
import EthereumPrimitives

/// Why something was not done on the chain, apart from what ``EthereumClientError`` says.
public enum ChainAgentError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The chain at the other end is another one; nothing was signed for it.
  case wrongChain(expected: UInt64, actual: UInt64)
  /// The transaction is in a block, and its call did not go through; the reason is the program's
  /// own, nil where the chain does not tell.
  case reverted(Receipt, reason: String?)

  /// One line: what happened.
  public var description: String {
    switch self {
    case .wrongChain(let expected, let actual):
      "the chain's id is \(actual), not \(expected): check the RPC address"
    case .reverted(let receipt, let reason):
      "transaction \(receipt.transactionHash) in block \(receipt.blockNumber) was reverted: "
        + (reason ?? "the chain tells no reason")
    }
  }
}
