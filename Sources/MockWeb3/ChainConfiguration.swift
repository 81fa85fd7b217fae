public import EthereumPrimitives
public import PlumiseWire

/// How a chain starts, and what it is like.
public struct ChainConfiguration: Sendable {
  /// The accounts that have coins at the start and whose keys the chain knows.
  public var accounts: [DevelopmentAccount]
  /// Wei that other accounts have at the start.
  public var balances: [Address: Word] = [:]
  /// What never changes while the chain runs.
  public var rules: ChainRules
  /// When blocks are made.
  public var mining: MiningMode = .automatic
  /// Whose signature seals the blocks (Clique's form, 97 bytes of extra data); nil for blocks
  /// without a seal.
  public var sealer: SecretKey?
  /// The first block's time, in seconds since 1970; nil for the time at the start.
  public var genesisTimestamp: UInt64?
  /// The tip that eth_maxPriorityFeePerGas suggests, in wei a unit of gas.
  public var suggestedTip: Word = 1_000_000_000
  /// The least tip that the pool takes, in wei a unit of gas.
  public var minimumTip: Word {
    get { poolRules.minimumTip }
    set { poolRules.minimumTip = newValue }
  }
  package var poolRules = PoolRules()
  /// How many blocks one request may ask for, at most ``mostBlocksAtOnce``.
  package var blocksAtOnce = ChainConfiguration.mostBlocksAtOnce
  /// A slip of the hand must not stop the chain for hours.
  package static let mostBlocksAtOnce: UInt64 = 1_000_000

  /// A chain with the ten well-known accounts, a block for each transaction and a block gas limit
  /// of 30 million.
  /// - Parameters:
  ///   - chainID: the chain's id.
  ///   - profile: the documented network, or the testnet with its faults.
  ///   - accounts: who has coins at the start; the last one is the reward pool's oracle and the
  ///     registry's owner.
  public init(
    chainID: UInt64 = PlumiseNetwork.chainID, profile: ChainProfile = .default,
    accounts: [DevelopmentAccount] = DevelopmentAccount.standard
  ) {
    self.accounts = accounts
    let operatorAddress = accounts.last?.address ?? .zero
    rules = ChainRules(
      chainID: chainID, profile: profile, gasCosts: [.precompile(0x20): 50_000],
      blockGasLimit: 30_000_000, blockReward: PlumiseNetwork.blockReward,
      blocksPerEpoch: PlumiseNetwork.epochBlocks, coinbase: .zero, rewardOracle: operatorAddress,
      registryOwner: operatorAddress,
      registryAddress: PlumiseNetwork.Contract.agentRegistry,
      poolAddress: PlumiseNetwork.Contract.rewardPool)
  }
}
