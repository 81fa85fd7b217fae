public import Bloom
public import Logging
public import MockWeb3
public import PetalsNode
public import PlumiseWire

/// What a network for a test is like.
public struct NetworkPlan: Sendable {
  /// The blocks of each node, which cover the model together; several may serve the same blocks.
  public var blocks: [LayerRange]
  /// The model that they serve.
  public var model: ModelEnds
  /// How the chain starts.
  public var chain: ChainConfiguration
  /// The words in which the nodes report and that the oracle takes.
  public var dialect: ReportDialect
  /// Whether the oracle takes reports of registered agents alone.
  public var oracleAsksChain: Bool
  /// The account with which the oracle tells the reward pool what agents did in an epoch that has
  /// ended, when a test calls `reportContributions()`; nil for an oracle that reports to nobody.
  public var rewardOracle: DevelopmentAccount?
  /// The time between a node's reports, on the network's manual clock.
  public var reportInterval: Duration
  /// Whether each node is reached through a ``FaultyLink``, which a test can break.
  public var hasFaultyLinks: Bool
  /// Where the parts log.
  public var logger: Logger

  /// A plan in which `nodes` nodes share a model's blocks as evenly as it goes.
  ///
  /// - Parameters:
  ///   - nodes: 1 to the number of the model's blocks.
  ///   - replicas: How many nodes serve each part; all parts come once, then all once more.
  ///   - model: Nil takes ``TinyModel``.
  /// - Throws: `LayerRangeError` when the model has fewer blocks than there are nodes.
  public init(nodes: Int = 2, replicas: Int = 1, model: ModelEnds? = nil) throws {
    let model = try model ?? TinyModel.ends()
    let layers = model.checkpoint.configuration.layerCount
    let parts = try LayerRange.split(layerCount: layers, into: nodes)
    self.init(
      blocks: Array(repeating: parts, count: max(1, replicas)).flatMap(\.self), model: model)
  }

  /// A plan with the given split.
  ///
  /// - Parameters:
  ///   - blocks: One range a node.
  ///   - model: What they are ranges of.
  public init(blocks: [LayerRange], model: ModelEnds) {
    self.blocks = blocks
    self.model = model
    chain = ChainConfiguration()
    dialect = .documented
    oracleAsksChain = true
    rewardOracle = nil
    reportInterval = .seconds(60)
    hasFaultyLinks = false
    logger = Logger(label: "petals-network") { _ in SwiftLogNoOpLogHandler() }
  }
}
