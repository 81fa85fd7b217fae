public import EthereumPrimitives
public import PlumiseWire

/// How an agent pays for gas.
public enum FeePolicy: Hashable, Sendable {
  /// One price (transaction type 0); nil for the price that the chain suggests. In wei.
  case legacy(gasPrice: Word? = nil)
  /// Tip and limit (transaction type 2); nil for the tip that the chain suggests, and for a limit
  /// of twice the base fee and the tip. In wei a unit of gas.
  case feeMarket(maxPriorityFeePerGas: Word? = nil, maxFeePerGas: Word? = nil)
}

/// How an agent speaks to its chain.
public struct ChainAgentConfiguration: Hashable, Sendable {
  /// The chain that transactions are signed for.
  public var chainID: UInt64
  /// How gas is paid.
  public var fees: FeePolicy
  /// How long a receipt is waited for.
  public var receiptTimeout: Duration
  /// The pause between two looks for a receipt.
  public var pollInterval: Duration

  /// Makes a configuration; by default for the main network.
  public init(
    chainID: UInt64 = PlumiseNetwork.chainID, fees: FeePolicy = .feeMarket(),
    receiptTimeout: Duration = .seconds(120), pollInterval: Duration = .milliseconds(500)
  ) {
    self.chainID = chainID
    self.fees = fees
    self.receiptTimeout = receiptTimeout
    self.pollInterval = pollInterval
  }
}
