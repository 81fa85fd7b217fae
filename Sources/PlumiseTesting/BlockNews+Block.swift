import EthereumPrimitives
package import MockWeb3
package import NetworkWatch
import PlumiseWire

extension BlockNews {
  /// A block with its transactions read.
  /// - Parameters:
  ///   - failures: Why transactions failed, by their positions.
  ///   - rewardPool: Where the chain's reward pool is.
  package init(_ block: Block, failures: [Int: String], rewardPool: Address) {
    self.init(
      height: Int(clamping: block.number), hash: block.hash.hex,
      timestamp: Int(clamping: block.header.timestamp),
      gas: Int(clamping: block.receipts.last?.cumulativeGasUsed ?? 0),
      transactions: zip(block.transactions, block.receipts).enumerated().map { index, pair in
        Sent(pair.0, pair.1, failure: failures[index], rewardPool: rewardPool)
      })
  }
}

extension BlockNews.Sent {
  fileprivate init(
    _ sent: RecoveredTransaction, _ receipt: TransactionReceipt, failure: String?,
    rewardPool: Address
  ) {
    let transaction = sent.transaction
    let (call, detail) = Self.reading(transaction, rewardPool: rewardPool)
    self.init(
      hash: sent.hash.hex, from: sent.sender.checksummed, to: transaction.to?.checksummed,
      call: call, detail: detail, succeeded: receipt.succeeded, reason: failure,
      gas: Int(clamping: receipt.gasUsed))
  }

  /// What a transaction does, and what it says; a call that cannot be read is one all the same.
  private static func reading(
    _ transaction: Transaction, rewardPool: Address
  ) -> (call: String, detail: String?) {
    guard let recipient = transaction.to else {
      return ("creation", "\(transaction.data.count) bytes of code")
    }
    if let contract = PrecompileCall.Contract(address: recipient) {
      guard let call = try? PrecompileCall(to: contract, input: transaction.data) else {
        return ("\(contract)", "its input cannot be read")
      }
      return reading(call)
    }
    if transaction.data.isEmpty { return ("transfer", "\(transaction.value) wei") }
    // The same bytes say nothing of rewards to anybody else; a call that cannot be read is named below.
    if recipient == rewardPool, let call = try? RewardPoolCall(input: transaction.data) {
      return reading(call)
    }
    if let call = try? AgentRegistryCall(input: transaction.data) { return reading(call) }
    return ("call", Hex.encode(transaction.data.prefix(4)))
  }

  private static func reading(_ call: PrecompileCall) -> (String, String?) {
    switch call {
    case .verifyInference(let proof, _): ("proof", "\(proof.tokenCount) tokens")
    case .registration(let registration): ("registration", registration.name)
    case .heartbeat(let agent): ("heartbeat", agent.map { "for \($0.checksummed)" })
    case .claimReward(let agent): ("claim", agent.map { "for \($0.checksummed)" })
    }
  }

  private static func reading(_ call: some ContractCall) -> (String, String?) {
    let arguments = call.arguments.map(text).joined(separator: ", ")
    return (call.signature, arguments.isEmpty ? nil : arguments)
  }

  /// An argument as people write it.
  private static func text(_ value: ABIValue) -> String {
    switch value {
    case .uint(let number): "\(number)"
    case .address(let address): address.checksummed
    case .bool(let truth): "\(truth)"
    case .bytes32(let hash): hash.hex
    case .bytes(let bytes): Hex.encode(bytes)
    case .string(let text): text
    case .array(let values), .tuple(let values):
      "[" + values.map(Self.text).joined(separator: ", ") + "]"
    }
  }
}
