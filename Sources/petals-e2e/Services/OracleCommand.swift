import ArgumentParser
import EthereumClient
import EthereumPrimitives
import Foundation
import MockOracle
import MockServing
import NetworkWatch
import PlumiseTesting
import PlumiseWire

/// `oracle`: an oracle of its own.
struct OracleCommand: AsyncParsableCommand {
  /// Which dialects the oracle speaks.
  enum Dialects: String, CaseIterable, ExpressibleByArgument {
    case documented
    case deployed
    case both

    var set: Set<ReportDialect> {
      switch self {
      case .documented: [.documented]
      case .deployed: [.deployed]
      case .both: [.documented, .deployed]
      }
    }
  }

  static let configuration = CommandConfiguration(
    commandName: "oracle",
    abstract: "Serve an oracle that verifies and stores nodes' reports.",
    discussion: """
      EXAMPLE
        petals-e2e oracle --port 3100 --chain-rpc http://127.0.0.1:26902
        petals-e2e oracle --dialect deployed --chain-rpc http://127.0.0.1:26902 \\
          --port 15481 --reporter-key-file oracle.key
      """)

  @Option(
    within: .port,
    help: "The port to listen on; 0 takes any free one. The deployed oracle listens on 15481.")
  var port = 3100

  @Option(help: "The dialect: documented, deployed or both.")
  var dialect = Dialects.documented

  @Option(help: "fixed, or faithful to the deployed oracle's known faults.")
  var profile = OracleProfile.fixed

  @Option(
    within: .serviceURL,
    help: "The chain to ask whether an agent is registered; without one, all are.")
  var chainRpc: String?

  @Option(
    help: """
      The key that reports contributions to the reward pool, and with --dialect deployed does what that \
      oracle does on the chain by itself; 0x and 64 digits, or a keystore.
      """)
  var reporterKeyFile: String?

  @Option(help: "A file whose first line is the keystore's password.")
  var passwordFile: String?

  @Option(help: "Keep everything in this SQLite file.")
  var store: String?

  @Option(help: "The key that /api/metrics takes in place of a signature.")
  var apiKey: String?

  @Option(
    within: .time, help: "Refuse documented reports whose timestamp is so many seconds from now.")
  var maxAge: Seconds?

  @Option(
    within: WholeNumbers("a number of reports", 1...1_000_000),
    help: "The most reports of an agent in a minute; without one there is no limit.")
  var reportsPerMinute: Int?

  @Option(help: "Log to stderr from this level on: debug, info, notice, warning or error.")
  var log: LogLevelArgument?

  @OptionGroup var faults: FaultOptions
  @OptionGroup(title: "On the chain by itself") var operations: ChainOperationOptions
  @OptionGroup var service: ServiceOptions

  func validate() throws {
    try operations.requireUse(dialect == .deployed && chainRpc != nil && reporterKeyFile != nil)
    if reporterKeyFile != nil && chainRpc == nil {
      throw ValidationError("--reporter-key-file needs --chain-rpc: the chain to report to")
    }
  }

  func run() async throws {
    let client = chainRpc.map { EthereumClient(url: $0) }
    let account = try client.flatMap { try self.account($0) }
    var configuration = OracleConfiguration(
      dialects: dialect.set, profile: profile,
      registration: client.map { .chain($0) } ?? .everyone,
      maximumAge: maxAge?.duration, apiKey: apiKey,
      epoch: client.map { .chain($0) } ?? .single,
      log: try store.map { path in
        try CommandFailure.checkingInput { try SQLiteReportLog(path: path, profile: profile) }
      },
      journalCapacity: ServiceMemory.oracleJournal,
      journalByteLimit: ServiceMemory.oracleJournalBytes,
      rateLimit: reportsPerMinute.map { RateLimit(burst: $0, per: .seconds(60)) },
      logger: log.map { JSONLogHandler.logger("oracle", from: $0.level) })
    configuration.reportsPerAgent = ServiceMemory.reportsPerAgent
    if let account {
      if dialect == .deployed {
        configuration.chainOperations = operations.plan(account)
      } else {
        configuration.contributions = ContributionPlan(account: account)
      }
    }
    let observation = service.observation()
    if observation.isOn {
      configuration.onEntry = { observation.record(.request(OracleAnswer($0))) }
    }
    let oracle = MockOracle(configuration)
    let signals = service.shutdownSignals()
    try await CommandFailure.mappingServingErrors {
      let script = FaultScript(seed: faults.faultSeed)
      try await oracle.withServer(host: service.host, port: port, faults: script) { address in
        service.announce(.listening(.oracle, url: address.url))
        guard let adminPort = faults.adminPort else {
          _ = try await signals.next()
          return
        }
        try await oracle.withAdministration(
          of: script, port: adminPort, onFaultChange: { observation.record($0) }
        ) { admin in
          service.announce(.listening(.oracleAdministration, url: admin.url))
          _ = try await signals.next()
        }
      }
    }
    await observation.finish()
  }

  private func account(_ client: EthereumClient) throws -> OracleAccount? {
    guard let reporterKeyFile else { return nil }
    let key = try KeyFile.read(reporterKeyFile, passwordPath: passwordFile)
    return OracleAccount(key: key, client: client)
  }
}
