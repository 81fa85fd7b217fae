package import AsyncHTTPClient
import AsyncPrimitives
public import Logging
public import MockServing
public import PlumiseWire

/// Whether a gateway repeats the known faults of the real one; by default it does not, as no other part does.
public enum GatewayProfile: String, Sendable, Hashable, CaseIterable {
  /// As the real gateway is today: a line of a stream that two network chunks share is read as two
  /// broken lines, an error event is passed on as text, a stream that breaks begins again at another
  /// node, so that its first tokens come twice, and a request that a node refuses for what it asks is
  /// sent to others.
  case faithful
  /// Lines are put together across chunks, an error event makes the gateway try another node, a stream
  /// that breaks goes on behind the text that has come, and a request that a node refuses for what it
  /// asks is refused to the client.
  case fixed
}

/// What a gateway asks, whom it trusts, and when it does what it does by itself.
public struct GatewayConfiguration: Sendable {
  /// The oracle's base URL, without a trailing slash.
  public var oracleURL: String
  /// The key that the gateway posts its metrics with; nil posts none.
  public var apiKey: String?
  /// The models that a client may ask for.
  public var models: [String]
  /// The model whose topology the gateway asks for.
  public var defaultModel: String
  /// Which faults of the real gateway it repeats; by default none.
  public var profile: GatewayProfile
  /// Whether nodes on loopback addresses are used, which the real gateway refuses.
  public var allowsLoopback: Bool
  /// How often the oracle is asked for nodes, and each node for its health.
  public var refreshInterval: Duration
  /// How long the oracle may take.
  public var oracleTimeout: Duration
  /// How long a node may take to say how it is.
  public var healthTimeout: Duration
  /// How long a node may take for an answer, streamed or not.
  public var nodeTimeout: Duration
  /// How often totals are posted to the oracle.
  public var metricsInterval: Duration
  /// After how long without work the totals of a wallet are forgotten.
  public var idleTime: Duration
  /// Decides which of several nodes is asked.
  public var seed: UInt64
  /// What intervals and limits are measured on.
  public var clock: any Clock<Duration>
  /// The time of day, for the timestamps of metrics.
  public var unixClock: UnixClock
  /// What a peer may make the server hold.
  public var limits: ServerLimits
  /// How many entries the journal keeps.
  public var journalCapacity: Int
  /// About how many bytes of memory they may take together.
  public var journalByteLimit: Int
  /// Where the gateway logs; silent by default.
  public var logger: Logger
  /// Asks the oracle and the nodes; nil for a client that all of the process share.
  package var client: HTTPClient?

  /// The models of the real gateway.
  public static let plumiseModels = ["qwen/qwen3-32b", "qwen/qwen3.5-397b-a17b"]

  /// Makes a configuration with the intervals and limits of the real gateway.
  /// - Parameters:
  ///   - oracleURL: the oracle's base URL; a trailing slash does not count.
  ///   - apiKey: the key that metrics are posted with; nil posts none.
  ///   - models: the models that a client may ask for; the first is the one whose topology is asked
  ///     for.
  ///   - profile: which faults of the real gateway are repeated; by default none.
  ///   - allowsLoopback: whether nodes on loopback addresses are used.
  ///   - refreshInterval: how often the oracle is asked for nodes, and each node for its health.
  ///   - oracleTimeout: how long the oracle may take.
  ///   - healthTimeout: how long a node may take to say how it is.
  ///   - nodeTimeout: how long a node may take for an answer, streamed or not.
  ///   - metricsInterval: how often totals are posted.
  ///   - idleTime: after how long without work the totals of a wallet are forgotten.
  ///   - seed: decides which of several nodes is asked.
  ///   - clock: what intervals and limits are measured on.
  ///   - unixClock: the time of day.
  ///   - limits: what a peer may make the server hold.
  ///   - journalCapacity: how many entries the journal keeps.
  ///   - journalByteLimit: about how many bytes of memory they may take together.
  ///   - logger: where the gateway logs; silent by default.
  /// - Precondition: there is a model, and each interval and limit is above zero.
  public init(
    oracleURL: String, apiKey: String? = nil, models: [String] = Self.plumiseModels,
    profile: GatewayProfile = .fixed, allowsLoopback: Bool = true,
    refreshInterval: Duration = .seconds(30), oracleTimeout: Duration = .seconds(5),
    healthTimeout: Duration = .seconds(5), nodeTimeout: Duration = .seconds(120),
    metricsInterval: Duration = .seconds(10), idleTime: Duration = .seconds(60), seed: UInt64 = 0,
    clock: any Clock<Duration> = ContinuousClock(), unixClock: UnixClock = .system,
    limits: ServerLimits = ServerLimits(), journalCapacity: Int = 10_000,
    journalByteLimit: Int = 16 << 20, logger: Logger? = nil
  ) {
    for (name, value) in [
      ("refreshInterval", refreshInterval), ("oracleTimeout", oracleTimeout),
      ("healthTimeout", healthTimeout), ("nodeTimeout", nodeTimeout),
      ("metricsInterval", metricsInterval), ("idleTime", idleTime),
    ] {
      precondition(value > .zero, "\(name) \(value) is not above zero")
    }
    guard let first = models.first else { preconditionFailure("a gateway serves a model at least") }
    self.oracleURL = oracleURL.hasSuffix("/") ? String(oracleURL.dropLast()) : oracleURL
    self.apiKey = apiKey
    self.models = models
    defaultModel = first
    self.profile = profile
    self.allowsLoopback = allowsLoopback
    self.refreshInterval = refreshInterval
    self.oracleTimeout = oracleTimeout
    self.healthTimeout = healthTimeout
    self.nodeTimeout = nodeTimeout
    self.metricsInterval = metricsInterval
    self.idleTime = idleTime
    self.seed = seed
    self.clock = clock
    self.unixClock = unixClock
    self.limits = limits
    self.journalCapacity = journalCapacity
    self.journalByteLimit = journalByteLimit
    self.logger = logger ?? Logger(label: "gateway") { _ in SwiftLogNoOpLogHandler() }
  }
}
