import EthereumClient
import EthereumPrimitives

extension EthereumClient {
  /// The fee fields for a policy, at the chain's present prices.
  func fee(_ policy: FeePolicy) async throws -> Transaction.Fee {
    switch policy {
    case .legacy(let price?): return .legacy(gasPrice: price)
    case .legacy(nil): return .legacy(gasPrice: try await gasPrice())
    case .feeMarket(let tip, let maximum):
      let tip = if let tip { tip } else { try await maxPriorityFeePerGas() }
      if let maximum {
        return .feeMarket(maxPriorityFeePerGas: min(tip, maximum), maxFeePerGas: maximum, [])
      }
      guard let baseFee = try await baseFee() else {
        // A chain from before EIP-1559 knows only one price.
        return .legacy(gasPrice: try await gasPrice())
      }
      return .feeMarket(maxPriorityFeePerGas: tip, maxFeePerGas: baseFee * 2 + tip, [])
    }
  }

  /// Sends a transaction; when no answer comes, finds out whether it arrived.
  ///
  /// Sending the same bytes again is harmless: a chain that has them says so.
  func sendSurely(_ transaction: SignedTransaction) async throws {
    do {
      try await send(transaction)
    } catch EthereumClientError.outage(let outage) {
      do {
        try await send(transaction)
      } catch EthereumClientError.refused {
        guard try await knows(transaction.hash) else { throw EthereumClientError.outage(outage) }
      }
    } catch let error as EthereumClientError {
      // Refused although it arrived: an earlier answer was lost on the way.
      guard case .refused(_, let failure) = error, failure.message == "already known" else {
        throw error
      }
    }
  }
}
