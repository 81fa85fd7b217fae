public import EthereumClient
public import EthereumPrimitives
public import Logging
public import MockServing
public import PlumiseWire

/// What an oracle speaks, checks and keeps.
public struct OracleConfiguration: Sendable {
  /// The dialects that it answers; at least one.
  public var dialects: Set<ReportDialect>
  /// Whether the known faults of the deployed oracle are reproduced.
  public var profile: OracleProfile
  /// How it finds out whether an agent is registered on chain.
  public var registration: RegistrationCheck
  /// How far a documented report's timestamp may lie from now; `nil` for any distance.
  public var maximumAge: Duration?
  /// The key that `/api/metrics` accepts in place of a signature, in the deployed dialect.
  public var apiKey: String?
  /// The epoch that a report is accounted to, in the deployed dialect.
  public var epoch: EpochSource
  /// How many layers each model has, in the deployed dialect's pipeline; 32 for any other.
  ///
  /// Of more than 65 536 that many are assigned; a model of none accepts no nodes.
  public var modelLayers: [String: Int]
  /// With which account contributions are reported when an epoch has ended; `nil` for none.
  public var contributions: ContributionPlan?
  /// With which account the oracle does on the chain what the deployed one does by itself.
  ///
  /// `nil` for nothing of it. It reports contributions in a way of its own: there is no other plan
  /// beside it.
  public var chainOperations: ChainOperationsPlan? {
    willSet {
      precondition(
        newValue == nil || contributions == nil, "contributions would be reported twice")
    }
  }
  /// Where reports are kept beyond this process; `nil` keeps them in memory alone.
  public var log: (any ReportLog)?
  /// What time it is.
  public var unixClock: UnixClock
  /// How many entries the journal keeps.
  public var journalCapacity: Int
  /// About how many bytes of memory they may take together.
  public var journalByteLimit: Int
  /// How many reports of one agent are kept with their proofs, at least one: the latest.
  public var reportsPerAgent = 1000
  /// How often an agent may report; `nil` for as often as it likes.
  public var rateLimit: RateLimit?
  /// What a peer may make the server hold.
  public var limits: ServerLimits
  /// Where it logs; silent by default.
  public var logger: Logger
  /// Gets each entry of the journal as it is made, on the event loops: it must not block.
  public var onEntry: @Sendable (OracleEntry) -> Void = { _ in }

  /// Makes a configuration; by default the documented dialect, with every agent registered.
  public init(
    dialects: Set<ReportDialect> = [.documented], profile: OracleProfile = .fixed,
    registration: RegistrationCheck = .everyone, maximumAge: Duration? = nil,
    apiKey: String? = nil, epoch: EpochSource = .single,
    modelLayers: [String: Int]? = nil, contributions: ContributionPlan? = nil,
    log: (any ReportLog)? = nil, unixClock: UnixClock = .system, journalCapacity: Int = 10_000,
    journalByteLimit: Int = 4 << 20, rateLimit: RateLimit? = nil,
    limits: ServerLimits = ServerLimits(),
    logger: Logger? = nil
  ) {
    precondition(!dialects.isEmpty, "an oracle speaks at least one dialect")
    self.dialects = dialects
    self.profile = profile
    self.registration = registration
    self.maximumAge = maximumAge
    self.apiKey = apiKey
    self.epoch = epoch
    self.modelLayers = modelLayers ?? profile.modelLayers
    self.contributions = contributions
    self.log = log
    self.unixClock = unixClock
    self.journalCapacity = journalCapacity
    self.journalByteLimit = journalByteLimit
    self.rateLimit = rateLimit
    self.limits = limits
    self.logger = logger ?? Logger(label: "oracle") { _ in SwiftLogNoOpLogHandler() }
  }
}

/// How the deployed dialect treats the deployed oracle's known faults (Wire.md, deployed dialect).
public enum OracleProfile: String, Sendable, Hashable, CaseIterable {
  /// The three faults are repaired; everything else is as deployed.
  case fixed
  /// The faults are reproduced too.
  case faithful

  /// The models that the deployed oracle knows; that bloom-560m is none of them, and so has 32
  /// blocks, is one of its faults.
  var modelLayers: [String: Int] {
    var layers = ["qwen/qwen3-32b": 64, "qwen/qwen3.5-397b-a17b": 96]
    if self == .fixed { layers[PlumiseNetwork.model] = PlumiseNetwork.modelLayers }
    return layers
  }
}

/// How the oracle finds out whether an agent is registered on chain.
public struct RegistrationCheck: Sendable {
  private let ask: @Sendable (Address) async throws -> Bool

  /// Makes a check that is a function.
  /// - Parameter ask: whether an agent is registered; throws when that cannot be found out.
  public init(_ ask: @escaping @Sendable (Address) async throws -> Bool) {
    self.ask = ask
  }

  /// Every agent counts as registered: for an oracle without a chain.
  public static let everyone = RegistrationCheck { _ in true }

  /// Asks a chain, with `agent_isAgentAccount` at the latest block: every agent in its registry counts,
  /// active or not.
  public static func chain(_ client: EthereumClient) -> RegistrationCheck {
    RegistrationCheck { try await client.isAgentAccount($0) }
  }

  /// Whether an agent is registered.
  /// - Throws: whatever the check throws when it cannot find out.
  public func isRegistered(_ agent: Address) async throws -> Bool { try await ask(agent) }
}

/// How the oracle finds out the current epoch, to account reports to.
public struct EpochSource: Sendable {
  private let ask: @Sendable () async throws -> UInt64

  /// Makes a source that is a function.
  /// - Parameter ask: the current epoch; throws when that cannot be found out.
  public init(_ ask: @escaping @Sendable () async throws -> UInt64) {
    self.ask = ask
  }

  /// One epoch that never ends: for an oracle without a chain.
  public static let single = EpochSource { 0 }

  /// Asks a chain's reward pool (`getCurrentEpoch`).
  public static func chain(_ client: EthereumClient) -> EpochSource {
    EpochSource { try await client.currentEpoch() }
  }

  /// The current epoch.
  /// - Throws: whatever the source throws when it cannot find out.
  public func current() async throws -> UInt64 { try await ask() }
}
