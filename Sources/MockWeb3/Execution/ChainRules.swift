public import EthereumPrimitives

/// Which chain is played.
public enum ChainProfile: String, Hashable, Sendable, CaseIterable {
  /// What the network documents.
  case `default` = "default"
  /// What the live testnet did in February 2026: verifyInference accepts anyone, and the
  /// precompiles' agents are unknown to the contracts (Chain.md, The testnet's faults).
  case testnet2026
}

/// What never changes while a chain runs.
public struct ChainRules: Hashable, Sendable {
  /// The chain's id, which transactions are bound to (EIP-155).
  public var chainID: UInt64
  /// Which chain is played.
  public var profile: ChainProfile
  /// Gas that a call of a native program costs beyond the intrinsic gas; those that are not named
  /// cost nothing.
  public var gasCosts: [Address: UInt64]
  /// The most gas that the transactions of a block may use.
  public var blockGasLimit: UInt64
  /// Wei that each block pays into the reward pool.
  public var blockReward: Word
  /// How many blocks make an epoch of the reward pool; 0 counts as 1.
  public var blocksPerEpoch: UInt64
  /// Who gets the tips.
  public var coinbase: Address
  /// The one account whose contributions the reward pool accepts.
  public var rewardOracle: Address
  /// The account that may slash agents.
  public var registryOwner: Address
  /// Where AgentRegistry is.
  public var registryAddress: Address
  /// Where the reward pool is.
  public var poolAddress: Address

  func gasCost(of program: NativeProgram) -> UInt64 { gasCosts[program.address(rules: self)] ?? 0 }

  /// The reward pool's epoch at a height.
  func epoch(at height: UInt64) -> UInt64 { height / max(1, blocksPerEpoch) }
}
