public import EthereumClient
public import EthereumPrimitives
public import PlumiseWire

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
  /// After how long without a receipt a transaction is taken for stuck: it is sent again, or with
  /// higher fees if the chain still has it.
  public var stuckAfter: Duration
  /// By how many percent the fees of a stuck transaction are raised; chains ask for 10.
  public var feeBumpPercent: UInt64 = 13
  /// The most that a unit of gas may cost after the fees were raised, in wei; nil for no bound.
  public var feeCeiling: Word?
  /// How many blocks have to follow a transaction's own before it counts as done; until then a
  /// reorganisation that undoes it is waited out.
  public var confirmations: UInt64 = 0
  /// What is done when the chain cannot be reached, unless the client has a policy of its own.
  public var retries: RetryPolicy

  /// Makes a configuration; by default for the main network.
  public init(
    chainID: UInt64 = PlumiseNetwork.chainID, fees: FeePolicy = .feeMarket(),
    receiptTimeout: Duration = .seconds(120), pollInterval: Duration = .milliseconds(500),
    stuckAfter: Duration = .seconds(30), retries: RetryPolicy = .standard
  ) {
    precondition(pollInterval > .zero, "looks are some time apart, not \(pollInterval)")
    self.chainID = chainID
    self.fees = fees
    self.receiptTimeout = receiptTimeout
    self.pollInterval = pollInterval
    self.stuckAfter = stuckAfter
    self.retries = retries
  }
}
