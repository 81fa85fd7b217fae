public import EthereumClient
public import EthereumPrimitives
public import PlumiseWire

/// The chain, the fees and the time-outs of a ``ChainAgent``.
public struct ChainAgentConfiguration: Hashable, Sendable {
  /// The chain that transactions are signed for.
  public var chainID: UInt64
  /// How gas is paid.
  public var fees: FeePolicy
  /// How long a receipt is waited for.
  public var receiptTimeout: Duration
  /// The interval between two polls for a receipt.
  public var pollInterval: Duration
  /// After how long without a receipt a transaction is taken for stuck: it is sent again, or with
  /// higher fees if the chain still has it.
  public var stuckAfter: Duration
  /// The increase of a stuck transaction's fees, in percent; chains require 10.
  public var feeBumpPercent: UInt64 = 13
  /// The most that a unit of gas may cost after the fees were raised, in wei; nil for no bound.
  public var feeCeiling: Word?
  /// How many blocks have to follow a transaction's own before it counts as done; until then a
  /// reorganisation that undoes it is waited out.
  public var confirmations: UInt64 = 0
  /// What is done when the chain cannot be reached, unless the client has a policy of its own.
  public var retries: RPCRetryPolicy

  /// Makes a configuration; by default for the main network.
  public init(
    chainID: UInt64 = PlumiseNetwork.chainID, fees: FeePolicy = .feeMarket(),
    receiptTimeout: Duration = .seconds(120), pollInterval: Duration = .milliseconds(500),
    stuckAfter: Duration = .seconds(30), retries: RPCRetryPolicy = .standard
  ) {
    precondition(pollInterval > .zero, "polls are some time apart, not \(pollInterval)")
    self.chainID = chainID
    self.fees = fees
    self.receiptTimeout = receiptTimeout
    self.pollInterval = pollInterval
    self.stuckAfter = stuckAfter
    self.retries = retries
  }
}

/// How an agent pays for gas.
public enum FeePolicy: Hashable, Sendable {
  /// One price (transaction type 0); nil for the price that the chain suggests. In wei.
  case legacy(gasPrice: Word? = nil)
  /// Tip and limit (transaction type 2); nil for the tip that the chain suggests, and for a limit
  /// of twice the base fee and the tip. In wei a unit of gas.
  case feeMarket(maxPriorityFeePerGas: Word? = nil, maxFeePerGas: Word? = nil)
}

extension FeePolicy {
  /// The requests that the policy needs.
  var queries: [ChainQuery] {
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
  func fee(_ answers: ChainQueryResults) throws -> Transaction.Fee {
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
  ///   - percent: the increase; chains require at least 10.
  ///   - floor: the chain's present prices, below which the result does not go.
  ///   - ceiling: what a unit of gas may cost at most, in wei; nil for no bound.
  /// - Returns: nil when the increase would exceed the ceiling.
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
