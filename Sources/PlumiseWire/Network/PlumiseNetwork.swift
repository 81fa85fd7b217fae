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
