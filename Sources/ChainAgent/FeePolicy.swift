public import EthereumPrimitives

/// How an agent pays for gas.
public enum FeePolicy: Hashable, Sendable {
  /// One price (transaction type 0); nil for the price that the chain suggests. In wei.
  case legacy(gasPrice: Word? = nil)
  /// Tip and limit (transaction type 2); nil for the tip that the chain suggests, and for a limit
  /// of twice the base fee and the tip. In wei a unit of gas.
  case feeMarket(maxPriorityFeePerGas: Word? = nil, maxFeePerGas: Word? = nil)
}

extension FeePolicy {
  /// What the chain has to be asked.
  var questions: [ChainQuestion] {
    switch self {
    case .legacy(.some): []
    case .legacy(nil): [.gasPrice]
    case .feeMarket(.some, .some): []
    case .feeMarket(nil, .some): [.tip]
    // The price is for a chain from before EIP-1559, which only the answers tell.
    case .feeMarket(.some, nil): [.latestBlock, .gasPrice]
    case .feeMarket(nil, nil): [.latestBlock, .gasPrice, .tip]
    }
  }

  /// The fee fields, from the chain's answers.
  func fee(_ answers: ChainAnswers) throws -> Transaction.Fee {
    switch self {
    case .legacy(let price?): return .legacy(gasPrice: price)
    case .legacy(nil): return .legacy(gasPrice: try answers.gasPrice())
    case .feeMarket(let tip, let maximum?):
      let tip = if let tip { tip } else { try answers.tip() }
      return .feeMarket(maxPriorityFeePerGas: min(tip, maximum), maxFeePerGas: maximum, [])
    case .feeMarket(let tip, nil):
      guard let baseFee = try answers.baseFee() else {
        return .legacy(gasPrice: try answers.gasPrice())
      }
      let tip = if let tip { tip } else { try answers.tip() }
      return .feeMarket(
        maxPriorityFeePerGas: tip, maxFeePerGas: baseFee.raised(byPercent: 100, adding: tip), [])
    }
  }
}

extension Transaction.Fee {
  /// The same kind of fee with its prices raised, so that it takes the place of this one.
  /// - Parameters:
  ///   - percent: by how much; chains ask for 10 at least.
  ///   - floor: prices that the result does not lie below, as the chain asks for them now.
  ///   - ceiling: what a unit of gas may cost at most, in wei; nil for no bound.
  /// - Returns: nil when the ceiling leaves no room.
  func raised(byPercent percent: UInt64, floor: Transaction.Fee, ceiling: Word?) -> Self? {
    let limit = max(maxFeePerGas.raised(byPercent: percent), floor.maxFeePerGas)
    let tip = max(maxPriorityFeePerGas.raised(byPercent: percent), floor.maxPriorityFeePerGas)
    if let ceiling, limit > ceiling {
      // One step up to the ceiling itself, if that is high enough to replace.
      guard ceiling >= maxFeePerGas.raised(byPercent: percent) else { return nil }
      return with(limit: ceiling, tip: min(tip, ceiling))
    }
    return with(limit: limit, tip: min(tip, limit))
  }

  private func with(limit: Word, tip: Word) -> Self {
    switch self {
    case .legacy: .legacy(gasPrice: limit)
    case .accessList(_, let entries): .accessList(gasPrice: limit, entries)
    case .feeMarket(_, _, let entries):
      .feeMarket(maxPriorityFeePerGas: tip, maxFeePerGas: limit, entries)
    }
  }
}

extension Word {
  /// The word and so many hundredths of it, rounded up, and more; the largest word where the sum
  /// would be larger.
  fileprivate func raised(byPercent percent: UInt64, adding more: Word = .zero) -> Word {
    let (product, first) = multipliedReportingOverflow(by: Word(percent))
    let (rounded, second) = product.addingReportingOverflow(99)
    let (sum, third) = addingReportingOverflow(rounded / 100)
    let (total, fourth) = sum.addingReportingOverflow(more)
    return first || second || third || fourth ? .max : total
  }
}
