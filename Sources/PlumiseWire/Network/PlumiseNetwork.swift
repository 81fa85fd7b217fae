public import EthereumPrimitives

/// The constants of the Plumise network.
public enum PlumiseNetwork {
  /// The chain id of the main network.
  public static let chainID: UInt64 = 41956
  /// The chain id of the test network.
  public static let testnetChainID: UInt64 = 419_561

  /// The symbol of the coin.
  public static let coin = "PLM"
  /// One coin in its smallest unit, wei.
  public static let oneCoin: Word = 1_000_000_000_000_000_000
  /// Seconds between two blocks of the main network.
  public static let blockInterval: Duration = .seconds(3)
  /// Blocks in an epoch, after which the rewards are shared out.
  public static let epochBlocks: UInt64 = 1200
  /// The wei that a block adds to the reward pool.
  public static let blockReward: Word = 10 * oneCoin

  /// The documented ports.
  public enum Port {
    /// The first node's gRPC port.
    public static let nodeA = 31330
    /// The second node's gRPC port.
    public static let nodeB = 31331
    /// The oracle's HTTP port.
    public static let oracle = 3100
    /// The chain's JSON-RPC port.
    public static let chain = 26902
  }

  /// The contracts that are not precompiled.
  public enum Contract {
    /// The registry of agents on the main network.
    public static let agentRegistry = address(
      high: 0xc9cf_6434, low: 0x4d22_f02f_6cdb_8e7b_5349_f30e_09f9_043c)
    /// The contract that gives agents challenges, on the main network.
    public static let challengeManager = address(
      high: 0x0f21_6ad2, low: 0x6439_2eb5_dff2_e952_08fc_da7d_12bb_f39d)
    /// The contract that keeps the credits of paying users, on the main network.
    public static let inferencePayment = address(
      high: 0x5bfb_4d6f, low: 0xeab6_e7ec_09ed_b604_4dca_fd23_bc8c_20c5)
    /// The account that created the three contracts of the main network, and owns them.
    public static let deployer = address(
      high: 0x5ceb_ec6e, low: 0xeedc_9040_c72e_a44f_b1f8_d28c_d107_9b8f)
    /// The pool that pays rewards.
    public static let rewardPool = address(high: 0, low: 0x1000)

    private static func address(high: UInt64, low: Word) -> Address {
      let bytes = Word(high).bigEndianBytes.suffix(4) + low.bigEndianBytes.suffix(16)
      do { return try Address(bytes: bytes) } catch {
        preconditionFailure("4 and 16 bytes are an address: \(error)")
      }
    }
  }

  /// The model that the network serves.
  public static let model = "bigscience/bloom-560m"
  /// Its number of blocks.
  public static let modelLayers = 24
  /// Seconds since its last heartbeat after which an agent is not active.
  public static let heartbeatTimeout: Duration = .seconds(300)
}
