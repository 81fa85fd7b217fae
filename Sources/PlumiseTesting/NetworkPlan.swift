public import Bloom
public import EthereumPrimitives
public import Foundation
public import Logging
public import MockGateway
public import MockOracle
public import MockWeb3
public import PetalsNode
public import PlumiseWire

/// The configuration of a test's network.
public struct NetworkPlan: Sendable {
  /// The blocks of each node, which cover the model together; several may serve the same blocks.
  public var blocks: [BlockRange]
  /// The model that they serve.
  public var model: ClientModel
  /// How the chain starts.
  public var chain: ChainConfiguration
  /// The contracts that ``beginChain(withGenesis:deploying:)`` created, by their names; of several with one
  /// name the last.
  public private(set) var contracts: [String: Address] = [:]
  /// The dialect of the reports that the nodes send and the oracle accepts.
  public var dialect: ReportDialect
  /// Whether the oracle reproduces the known faults of the deployed one.
  public var oracleProfile: OracleProfile
  /// What the oracle does on the chain by itself, with ``rewardOracle``'s account and on the network's
  /// time; nothing by default.
  public var chainOperations: Set<ChainOperation>
  /// Whether the oracle accepts only the reports of agents that are registered on chain.
  public var oracleChecksRegistration: Bool
  /// The account with which the oracle reports the contributions of an ended epoch to the reward
  /// pool, when a test calls `reportContributions()`, or with which it does ``chainOperations``; nil for
  /// an oracle that does neither.
  public var rewardOracle: DevelopmentAccount?
  /// The time between a node's reports, on the network's manual clock.
  public var reportInterval: Duration
  /// The time of day at which the network starts, since 1970-01-01 00:00:00 UTC; by default that of
  /// the plan's making.
  public var startTime: Duration
  /// Whether each node's agent is registered, and its heartbeats, proofs and reports are sent at their
  /// intervals, before the body begins and until it ends, as `petals-e2e node` does it.
  ///
  /// By default a test does so itself, with ``NetworkNode/register()``,
  /// ``NetworkNode/service(schedule:onEvent:)`` and ``NetworkNode/reporter``.
  public var runsServices: Bool
  /// What the nodes are on the network.
  public var agents: AgentKind
  /// The name under which newest agents join the oracle's pipeline, and the gateway's clients ask for the
  /// model.
  public var pipelineModel: String
  /// The gateway before the nodes, which have to be newest agents; none by default.
  public var gateway: GatewayKind
  /// How clients reach the nodes: at their own addresses by default.
  public var transport: NetworkTransport
  /// Whether parts reach each other through ``FaultyLink``s, which a test can break; see
  /// ``PetalsNetwork/link(from:to:)``.
  public var hasFaultyLinks: Bool
  /// Whether the links between clients and nodes measure delays on the network's time.
  ///
  /// By default they do so in real time, as clients do unless they are given the network's clock. The other
  /// links always measure the network's time, as the parts do.
  public var delaysClientsOnNetworkTime: Bool
  /// Changes the oracle's configuration before it starts.
  public var configureOracle: @Sendable (inout OracleConfiguration) -> Void
  /// Changes a node's configuration before it starts; the number is its place in ``blocks``.
  public var configureNode: @Sendable (_ index: Int, inout NodeConfiguration) -> Void
  /// Changes the gateway's configuration before it starts.
  public var configureGateway: @Sendable (inout GatewayConfiguration) -> Void
  /// The logger of all parts.
  public var logger: Logger

  /// A plan in which `nodes` nodes share a model's blocks as evenly as it goes.
  ///
  /// - Parameters:
  ///   - nodes: 1 to the number of the model's blocks.
  ///   - replicas: How many nodes serve each part; all parts come once, then all once more.
  ///   - model: Nil takes ``TinyModel``.
  /// - Throws: `BlockRangeError` when the model has fewer blocks than there are nodes.
  public init(nodes: Int = 2, replicas: Int = 1, model: ClientModel? = nil) throws {
    let model = try model ?? TinyModel.clientModel()
    let count = model.checkpoint.configuration.blockCount
    let parts = try BlockRange.split(blockCount: count, into: nodes)
    self.init(
      blocks: Array(repeating: parts, count: max(1, replicas)).flatMap(\.self), model: model)
  }

  /// A plan with the given split.
  ///
  /// - Parameters:
  ///   - blocks: One range a node.
  ///   - model: The model.
  public init(blocks: [BlockRange], model: ClientModel) {
    self.blocks = blocks
    self.model = model
    chain = ChainConfiguration()
    dialect = .documented
    oracleProfile = .fixed
    chainOperations = []
    oracleChecksRegistration = true
    rewardOracle = nil
    reportInterval = .seconds(60)
    startTime = UnixClock.system.now()
    runsServices = false
    agents = .documented
    pipelineModel = PlumiseNetwork.model
    gateway = .none
    transport = .grpc
    hasFaultyLinks = false
    delaysClientsOnNetworkTime = false
    configureOracle = { _ in }
    configureNode = { _, _ in }
    configureGateway = { _ in }
    logger = Logger(label: "petals-network") { _ in SwiftLogNoOpLogHandler() }
  }
}

extension NetworkPlan {
  /// Has the chain begin with the accounts of a genesis file and the contracts of artifacts, as
  /// `petals-e2e chain --genesis FILE --deploy ARTIFACT` does.
  ///
  /// ``contracts`` has the addresses of the artifacts' contracts.
  /// - Parameters:
  ///   - genesis: A genesis file of go-ethereum; nil for none.
  ///   - artifacts: Artifacts of Hardhat or Foundry. The first account creates their contracts, in this
  ///     order.
  /// - Throws: `GenesisFileError` for a file that cannot be used, `DeploymentError` when a constructor fails.
  public mutating func beginChain(
    withGenesis genesis: URL?, deploying artifacts: [URL] = []
  ) throws {
    if let genesis { chain.apply(try GenesisFile(contentsOf: genesis)) }
    for file in artifacts {
      let artifact = try ContractArtifact(contentsOf: file)
      contracts[artifact.name] = try chain.deploy(artifact)
    }
  }
}

/// The default model of a test's network: 24 blocks, hidden 64, 4 heads, vocabulary 512.
///
/// It has the depth of bloom-560m, so that every split of it is a split of the real one, and is
/// small enough that a whole network runs on it in milliseconds. It is synthesized once a process, and
/// its folder is deleted as soon as the weights are mapped.
public enum TinyModel {
  /// The model's checkpoint, its tokenizer, the embedding and the LM head.
  ///
  /// - Throws: `CheckpointError` when the folder for temporary files cannot be written.
  public static func clientModel() throws -> ClientModel { try made.get() }

  private static let made = Result { try make() }

  private static func make() throws -> ClientModel {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "plumise-tiny-model-\(UUID().uuidString)")
    defer { remove(folder) }
    try ModelSynthesizer.synthesize(shape: .tiny, dtype: .f16, into: folder)
    let tokenizer = try Tokenizer(directory: folder)
    return ClientModel(try Checkpoint(directory: folder), tokenizer: tokenizer)
  }

  private static func remove(_ folder: URL) {
    do {
      try FileManager.default.removeItem(at: folder)
    } catch {
      // The system cleans up after us: these are temporary files.
    }
  }
}
