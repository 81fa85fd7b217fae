public import EVM
public import EthereumPrimitives
public import PlumiseWire

/// The configuration of a chain.
public struct ChainConfiguration: Sendable {
  /// The accounts that are funded in the genesis block, with their keys.
  public var accounts: [DevelopmentAccount]
  /// Wei that other accounts have at the start.
  public var balances: [Address: Word] = [:]
  /// Accounts that are there from the first block on, contracts among them; what
  /// ``accounts`` and ``balances`` give is added to their coins.
  public var genesisAccounts: [Address: GenesisAccount] = [:]
  /// The first block's base fee, in wei a unit of gas; nil for 1 gwei.
  public var genesisBaseFee: Word?
  /// The rules, which do not change while the chain runs.
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
  /// The most that a transaction's gas may cost in all, in wei; nil for no limit.
  ///
  /// That is its gas limit times its highest price. By default the limit is go-ethereum's, 1 PLM.
  public var transactionFeeCap: Word? {
    get { poolRules.feeCap }
    set { poolRules.feeCap = newValue }
  }
  /// How many requests the journal keeps, at least one: the latest, 32 MiB of them at most.
  public var journalCapacity = 10_000
  package var poolRules = PoolRules()
  /// The block of another chain that this one begins with; nil for a chain of its own.
  var fork: ForkOrigin?
  /// The most blocks that one request may mine, at most ``maximumBlocksPerRequest``.
  package var blocksPerRequest = ChainConfiguration.maximumBlocksPerRequest
  /// A bound, so that a mistyped number does not stop the chain for hours.
  package static let maximumBlocksPerRequest: UInt64 = 1_000_000

  /// A chain with the ten well-known accounts, a block for each transaction and a block gas limit
  /// of 30 million.
  /// - Parameters:
  ///   - chainID: the chain's id.
  ///   - profile: the documented network, or the testnet with its faults.
  ///   - accounts: the funded accounts; the last one is the reward pool's oracle and the
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
      poolAddress: PlumiseNetwork.Contract.rewardPool, hardfork: .london)
  }
}

/// Which chain is simulated.
public enum ChainProfile: String, Hashable, Sendable, CaseIterable {
  /// The behaviour that the network documents.
  case `default` = "default"
  /// The behaviour of the live testnet in February 2026: verifyInference accepts any sender, and
  /// the precompiles' agents are unknown to the contracts (Chain.md, The testnet's faults).
  case testnet2026
  /// The main network of 2026: AgentRegistry, ChallengeManager and InferencePayment are its bytecode,
  /// RewardPool is version 1, and the precompiles' agents are unknown to the contracts (Chain.md, The
  /// main network's contracts).
  case mainnet2026
}

/// The rules of a chain, which do not change while it runs.
public struct ChainRules: Hashable, Sendable {
  /// The chain's id, which transactions are bound to (EIP-155).
  public var chainID: UInt64
  /// Which chain is simulated.
  public var profile: ChainProfile
  /// Gas that a call of a native contract costs beyond the intrinsic gas, by the contract's address.
  ///
  /// Of those that are not named, AgentRegistry costs what the real one does, RewardPool what its
  /// accesses to storage and its events cost, and the precompiles nothing.
  public var gasCosts: [Address: UInt64]
  /// The most gas that the transactions of a block may use.
  public var blockGasLimit: UInt64
  /// Wei that each block pays into the reward pool.
  public var blockReward: Word
  /// How many blocks make an epoch of the reward pool; 0 counts as 1.
  public var blocksPerEpoch: UInt64
  /// The account that gets the tips.
  public var coinbase: Address
  /// The one account whose contributions the reward pool accepts.
  public var rewardOracle: Address
  /// AgentRegistry's first owner, who may slash agents and hand the contract on.
  public var registryOwner: Address
  /// Where AgentRegistry is.
  public var registryAddress: Address
  /// Where the reward pool is.
  public var poolAddress: Address
  /// Whether a claim counts the reward pool's new coins in first: version 2 of RewardPool does; chains
  /// in files of earlier versions of this package do not.
  package var claimsSyncFirst = true
  /// Whether RewardPool's functions cost gas; they do not on chains in files of earlier versions of
  /// this package.
  package var metersRewardPool = true
  /// Whether AgentRegistry has the functions of its owner; on chains in files of earlier versions of this
  /// package it does not.
  package var registryIsOwnable = true
  /// Whether a sealed block's tips go to its sealer, and the blocks at checkpoints list the sealers; on
  /// chains in files of earlier versions of this package neither.
  package var followsClique = true
  /// The account whose signature seals the blocks; nil without one.
  package internal(set) var sealer: Address?
  /// The rules that bytecode runs by.
  public var hardfork: Hardfork
  /// Plumise's contracts that are bytecode on the chain that this one is forked from.
  package var remoteContracts: Set<Address> = []

  /// Version 1 of RewardPool is the one in the main network's genesis.
  var rewardPoolVersion: RewardPoolVersion { profile == .mainnet2026 ? .one : .two }

  /// Who gets a block's tips, and is COINBASE to bytecode: the account that sealed the block (EIP-225;
  /// go-ethereum's `clique.Author`), unless a coinbase was set, as Hardhat's and Anvil's users do.
  func author(coinbase: Address) -> Address {
    coinbase == .zero && followsClique ? sealer ?? .zero : coinbase
  }

  /// The reward pool's epoch at a height.
  func epoch(at height: UInt64) -> UInt64 { height / max(1, blocksPerEpoch) }
}

/// A funded account with a well-known key.
public struct DevelopmentAccount: Sendable {
  /// The secret key.
  public let key: SecretKey
  /// Wei at the start.
  public let balance: Word
  /// The key's address.
  public let address: Address

  /// An account with a key of the caller's.
  public init(key: SecretKey, balance: Word = DevelopmentAccount.defaultBalance) {
    self.key = key
    self.balance = balance
    address = key.address
  }

  /// 10 000 PLM in wei.
  public static let defaultBalance: Word = 10_000_000_000_000_000_000_000

  /// The mnemonic that development chains share.
  public static let mnemonic = "test test test test test test test test test test test junk"

  /// The first ten accounts of ``mnemonic`` on m/44'/60'/0'/0/i, with 10 000 PLM each.
  ///
  /// They are derived once a process: stretching the mnemonic takes 2048 rounds of HMAC.
  public static let standard: [DevelopmentAccount] = {
    do {
      let wallet = Mnemonic(mnemonic)
      return try (0..<10).map { DevelopmentAccount(key: try wallet.key(at: $0)) }
    } catch {
      preconditionFailure("the well-known mnemonic is valid: \(error)")
    }
  }()
}
