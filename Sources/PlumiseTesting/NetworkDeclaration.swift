import Bloom
public import MockGateway
public import MockOracle
public import MockWeb3
public import PetalsNode
import PlumiseWire

extension NetworkPlan {
  /// A plan that names the kind of each part: the documented network, the one that runs today, or parts
  /// of both.
  ///
  /// - Parameters:
  ///   - nodes: How the nodes share the model's blocks.
  ///   - oracle: The deployed one also does on the chain what it does by itself, all but challenges
  ///     (``chainOperations``), with the last development account, which is the reward pool's oracle.
  ///   - agents: Newest agents need a deployed oracle.
  ///   - chain: The chain's profile.
  ///   - gateway: The gateway before the nodes, which needs newest agents; none by default.
  ///   - links: Whether a test can break the ways between parts.
  ///   - transport: How clients reach the nodes.
  ///   - model: Nil takes ``TinyModel``.
  /// - Throws: `BlockRangeError` when the model's blocks cannot be shared so.
  public init(
    nodes: NodeLayout, oracle: OracleKind = .documented, agents: AgentKind = .documented,
    chain: ChainProfile = .default, gateway: GatewayKind = .none, links: LinkKind = .direct,
    transport: NetworkTransport = .grpc, model: ClientModel? = nil
  ) throws {
    let model = try model ?? TinyModel.clientModel()
    let count = model.checkpoint.configuration.blockCount
    self.init(blocks: try nodes.blocks(of: count), model: model)
    self.chain = ChainConfiguration(profile: chain)
    dialect = oracle.dialect
    oracleProfile = oracle.profile
    if oracle.dialect == .deployed {
      chainOperations = Set(ChainOperation.allCases)
      rewardOracle = self.chain.accounts.last
    }
    self.agents = agents
    self.gateway = gateway
    self.transport = transport
    hasFaultyLinks = links != .direct
    delaysClientsOnNetworkTime = links == .faultyOnNetworkTime
  }

  /// Checks that the parts go together.
  /// - Throws: ``NetworkPlanError``.
  func checkParts() throws(NetworkPlanError) {
    if agents != .documented, dialect != .deployed { throw .agentsNeedDeployedOracle }
    if gateway != .none, agents == .documented { throw .gatewayNeedsAgents }
    if !chainOperations.isEmpty, rewardOracle == nil { throw .operationsNeedAccount }
  }
}

/// How the nodes of a network share the blocks of its model: a number of nodes, or where it is cut.
public struct NodeLayout: Hashable, Sendable, ExpressibleByIntegerLiteral {
  private enum Form: Hashable {
    case even(Int)
    case cuts([Int])
  }

  private let form: Form

  /// So many nodes, which share the blocks as evenly as it goes.
  public init(integerLiteral value: Int) { form = .even(value) }

  private init(_ form: Form) { self.form = form }

  /// So many nodes, which share the blocks as evenly as it goes.
  public static func even(_ nodes: Int) -> Self { Self(.even(nodes)) }

  /// A node more than there are cuts, each of which is the first block of the next node.
  public static func split(at cuts: Int...) -> Self { Self(.cuts(cuts)) }

  /// The ranges of a model with so many blocks.
  func blocks(of count: Int) throws -> [BlockRange] {
    switch form {
    case .even(let nodes): return try BlockRange.split(blockCount: count, into: nodes)
    case .cuts(let cuts):
      return try zip([0] + cuts, cuts + [count]).map { first, end in
        guard first < end, end <= count else { throw NetworkPlanError.cuts(cuts, blocks: count) }
        return try BlockRange(first..<end, of: count)
      }
    }
  }
}

/// Which oracle a network has.
public struct OracleKind: Hashable, Sendable {
  let dialect: ReportDialect
  let profile: OracleProfile

  /// The documented one.
  public static let documented = Self(dialect: .documented, profile: .fixed)
  /// The one that runs today, with its known faults repaired.
  public static let deployed = deployed(.fixed)

  /// The one that runs today, with its known faults or with them repaired.
  public static func deployed(_ profile: OracleProfile) -> Self {
    Self(dialect: .deployed, profile: profile)
  }
}

/// What the nodes of a network are.
public struct AgentKind: Hashable, Sendable {
  /// Nil for documented nodes.
  let profile: AgentProfile?

  /// Nodes that a client leads hidden states through; each has a funded account, with which a test has it
  /// registered, and send heartbeats and proofs.
  public static let documented = Self(profile: nil)
  /// Agents of the kind that runs today, with their known faults repaired.
  ///
  /// They join the oracle's pipeline, follow its topology, hand passes on to one another, serve the
  /// agents' HTTP API and report. Their accounts have no coins: what they have on the chain the oracle
  /// does for them. All of it has begun when the test's body begins.
  public static let newest = newest(.fixed)

  /// Agents of the kind that runs today, with their known faults or with them repaired.
  public static func newest(_ profile: AgentProfile) -> Self { Self(profile: profile) }
}

/// Which gateway stands before the nodes of a network.
public struct GatewayKind: Hashable, Sendable {
  struct Settings: Hashable {
    let profile: GatewayProfile
    let apiKey: String?
    let refusesLoopback: Bool
  }

  /// Nil where there is none.
  let settings: Settings?

  /// None: clients reach the nodes themselves.
  public static let none = Self(settings: nil)
  /// One with its known faults repaired.
  public static let fixed = gateway(.fixed)
  /// One as it runs today, with its known faults.
  public static let faithful = gateway(.faithful)

  /// One with settings of its own.
  ///
  /// - Parameters:
  ///   - profile: Whether the known faults of the real gateway are repeated.
  ///   - apiKey: The key with which it posts to the oracle what each wallet did, and which the oracle
  ///     takes then; nil posts nothing.
  ///   - refusesLoopback: Whether nodes on loopback addresses are refused, as the real gateway does. All
  ///     nodes of a test's network are on one.
  public static func gateway(
    _ profile: GatewayProfile = .fixed, apiKey: String? = nil, refusesLoopback: Bool = false
  ) -> Self {
    Self(settings: Settings(profile: profile, apiKey: apiKey, refusesLoopback: refusesLoopback))
  }
}

/// How the parts of a network reach each other.
public enum LinkKind: Hashable, Sendable {
  /// At their own ports.
  case direct
  /// Through ``FaultyLink``s, which a test can break (``PetalsNetwork/link(from:to:)``). Those between
  /// clients and nodes measure delays in real time, as clients do by default.
  case faulty
  /// Through ``FaultyLink``s that all measure delays on the network's time, for clients that do so too
  /// (``NetworkPlan/delaysClientsOnNetworkTime``).
  case faultyOnNetworkTime
}

/// Why a network cannot be as it was planned.
public enum NetworkPlanError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Newest agents join a pipeline, which the documented oracle does not have.
  case agentsNeedDeployedOracle
  /// A gateway finds its nodes in the topology of a pipeline.
  case gatewayNeedsAgents
  /// The oracle's operations on the chain have no account.
  case operationsNeedAccount
  /// The network has no gateway that could be ended or started.
  case noGateway
  /// There is no link between the two parts.
  case noLink(from: NetworkPlace, to: NetworkPlace, known: [String])
  /// The cuts are not in order, or outside of the model.
  case cuts([Int], blocks: Int)

  /// One line that says what to do.
  public var description: String {
    switch self {
    case .agentsNeedDeployedOracle:
      "agents: .newest join the deployed oracle's pipeline: declare oracle: .deployed as well"
    case .gatewayNeedsAgents:
      "a gateway needs nodes that it can find at the oracle: declare agents: .newest as well"
    case .operationsNeedAccount:
      "chainOperations need an account: set rewardOracle, as to chain.accounts.last"
    case .noGateway:
      "the network has no gateway: declare gateway: .fixed or .faithful"
    case .noLink(let from, let to, let known):
      "there is no link from \(from) to \(to): "
        + (known.isEmpty
          ? "declare links: .faulty, or set hasFaultyLinks"
          : "there are links from \(known.joined(separator: ", from "))")
    case .cuts(let cuts, let blocks):
      "nodes: .split(at: \(cuts)) does not cut \(blocks) blocks: name rising numbers from 1 to "
        + "\(blocks - 1)"
    }
  }
}
