import ArgumentParser
import Bloom
import ChainAgent
import EthereumClient
import EthereumPrimitives
import Foundation
import InferenceMetrics
import MockServing
import NetworkWatch
import OracleReporter
import PetalsNode
import PlumiseTesting
import PlumiseWire

/// `node`: one node, and its agent if an oracle or a chain is named.
struct NodeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "node",
    abstract: "Serve a range of a model's blocks; register, beat and report if told where.",
    discussion: """
      EXAMPLE
        petals-e2e node --model model --blocks 0-11 --port 31330 \\
          --key-file agent.key --oracle http://127.0.0.1:3100
      """)

  @Option(help: "The model's folder.")
  var model: String

  @Option(
    within: .blocks, help: "The blocks to serve, first-last; those of --pipeline-oracle without it."
  )
  var blocks: BlockRangeArgument?

  @OptionGroup var peers: PeerOptions

  @Option(within: .port, help: "The gRPC port to listen on; 0 takes any free one.")
  var port = 31330

  @Option(within: .port, help: "Serve the HTTP API on this port too; 0 takes any free one.")
  var httpPort: Int?

  @OptionGroup var agent: AgentOptions
  @OptionGroup var pipeline: PipelineOptions
  @OptionGroup var swarm: SwarmNodeOptions
  @OptionGroup var draft: DraftOptions
  @OptionGroup var cache: CacheOptions

  @Option(
    within: .prefixCache,
    help: "MiB in which the beginnings of sessions are kept for those that begin alike; 0 for none."
  )
  var prefixCache = 256

  @Flag(
    help: """
      Hand steps straight on to the next node, and take them from other nodes, where a client asks for that; \
      connects to addresses that clients name.
      """)
  var handOn = false

  @OptionGroup var faults: FaultOptions
  @OptionGroup var service: ServiceOptions

  func validate() throws {
    if faults.adminPort != nil, httpPort == nil {
      throw ValidationError(
        "--admin-port needs --http-port: a node's faults are those of its HTTP API")
    }
    if draft.draft != nil {
      guard httpPort != nil else {
        throw ValidationError(
          "--draft needs --http-port: a node generates for its HTTP API, and clients have drafts of "
            + "their own")
      }
      guard pipeline.pipelineOracle == nil else {
        throw ValidationError(
          "--draft is for sessions, which can be rolled back; the pipeline of --pipeline-oracle has "
            + "none")
      }
    }
    if swarm.numBlocks != nil, blocks != nil || pipeline.pipelineOracle != nil {
      throw ValidationError(
        "--num-blocks has the swarm say which blocks are served: leave out --blocks and "
          + "--pipeline-oracle")
    }
    guard pipeline.pipelineOracle != nil else {
      if blocks == nil, swarm.numBlocks == nil {
        throw ValidationError("Missing expected argument '--blocks <blocks>'")
      }
      return
    }
    if agent.keyFile == nil || httpPort == nil {
      throw ValidationError(
        "--pipeline-oracle needs --key-file, which signs for the agent, and --http-port, which the "
          + "oracle lists")
    }
  }

  func run() async throws {
    var agent = agent
    // An agent reports to the oracle of its pipeline.
    if let oracle = pipeline.pipelineOracle, agent.oracle == nil {
      agent.oracle = oracle
      agent.oracleDialect = .deployed
    }
    let checkpoint = try ModelFolder.checkpoint(model)
    if httpPort != nil {
      try CommandFailure.checkingInput { try checkpoint.generationDefaults.requireSupported() }
    }
    let key = try agent.key()
    var (port, httpPort) = (port, httpPort)
    var topology: [PipelineNode] = []
    let member = try pipeline.member(for: key, checkpoint.name) { service.announce($0) }
    if member != nil {
      // The oracle is told of the ports before they are listened on.
      let free = try LocalPort.free(2)
      if port == 0 { port = free[0] }
      if httpPort == 0 { httpPort = free[1] }
    }
    let range: BlockRange
    if let blocks {
      range = try blocks.range(of: checkpoint.configuration.blockCount)
    } else if let member {
      range = try await member.join(
        grpcPort: port, httpPort: httpPort ?? 0, host: service.host,
        ramMegabytes: pipeline.ramMb, of: checkpoint)
    } else {
      range = BlockRange(all: checkpoint.configuration.blockCount)
    }
    if let member { topology = await member.read() ?? [] }
    var configuration = NodeConfiguration(
      checkpoint: checkpoint, blocks: range, grpc: .init(host: service.host, port: port),
      http: httpPort.map { .init(host: service.host, port: $0) },
      peers: peers.addresses ?? [], agent: key?.address, cacheType: cache.type,
      limits: peers.limits)
    configuration.pageBudget = prefixCache << 20
    configuration.handsOn = handOn
    configuration.draft = try draft.model(for: checkpoint, cacheType: cache.type)
    configuration.agentProfile = pipeline.agentProfile
    configuration.pipelineFormat = pipeline.pipelineFormat
    if member != nil { configuration.agentAPI = try pipeline.api() }
    let observation = service.observation()
    if observation.isOn {
      configuration.onActivity = { observation.record(.session(SessionNews($0))) }
    }
    let metrics = MetricsCollector(proofs: try agent.proofs())
    let reporter = try key.flatMap { try agent.reporter(key: $0, metrics) }
    let signals = service.shutdownSignals()
    let agentService = key.flatMap { key in
      agent.agentService(key: key, checkpoint.name, metrics) { service.announce($0) }
    }
    try await CommandFailure.mappingServingErrors {
      let run = NodeRun(
        configuration: configuration, metrics: metrics, faults: faults,
        script: FaultScript(seed: faults.faultSeed), service: service, signals: signals,
        pipeline: member.map { ($0, topology, blocks == nil) }, agent: agentService,
        reporter: reporter)
      try await swarm.withMembership(checkpoint, cache.type, service) {
        try await run.serve(in: $0)
      }
    }
    await observation.finish()
  }
}

extension OptionLimits where Self == WholeNumbers<Int> {
  /// Up to a tebibyte, in MiB.
  fileprivate static var prefixCache: Self { WholeNumbers("a size in MiB", 0...1 << 20) }
}

/// The options of a node's agent: its key, its oracle and its chain.
struct AgentOptions: ParsableArguments {
  @Option(help: "The agent's key: 0x and 64 digits, or a V3 keystore.")
  var keyFile: String?

  @Option(help: "A file whose first line is the keystore's password.")
  var passwordFile: String?

  @Option(within: .serviceURL, help: "The oracle to report to.")
  var oracle: String?

  @Option(help: "The dialect that the oracle takes: documented or deployed.")
  var oracleDialect = ReportDialect.documented

  @Option(
    help: "The certificates (PEM) that an https oracle is checked by, in place of the system's.")
  var oracleCa: String?

  @Option(help: "Keep the proofs that the oracle has not accepted in this file as well.")
  var proofSpool: String?

  @Option(within: .reportInterval, help: "Seconds between two reports.")
  var reportInterval = Seconds(whole: 60)

  @Option(within: .serviceURL, help: "The chain to register on and to prove inferences to.")
  var chainRpc: String?

  @Option(within: .heartbeatInterval, help: "Seconds between two heartbeats.")
  var heartbeatInterval = Seconds(whole: 120)

  @Option(within: .chainID, help: "The id of that chain.")
  var chainID = PlumiseNetwork.chainID

  func validate() throws {
    if keyFile == nil && (oracle != nil || chainRpc != nil) {
      throw ValidationError("--oracle and --chain-rpc need --key-file")
    }
    if oracle == nil && (oracleCa != nil || proofSpool != nil) {
      throw ValidationError("--oracle-ca and --proof-spool need --oracle: who takes the reports")
    }
  }

  /// The agent's key; nil when none was named.
  func key() throws -> SecretKey? {
    try keyFile.map { try KeyFile.read($0, passwordPath: passwordFile) }
  }

  /// The buffer of proofs for the oracle: in memory, and in a file where one was named.
  func proofs() throws -> ProofBuffer {
    guard let proofSpool else { return ProofBuffer() }
    return try CommandFailure.checkingInput {
      try ProofBuffer(spool: URL(filePath: proofSpool))
    }
  }

  /// The oracle's reporter; nil when no oracle was named.
  ///
  /// Its last report is tried three times, as in production; only the interval may be shorter.
  func reporter(key: SecretKey, _ metrics: MetricsCollector) throws -> OracleReporter? {
    guard let oracle else { return nil }
    let (configuration, transport) = try CommandFailure.checkingInput {
      (
        try ReporterConfiguration(
          oracleURL: oracle, interval: reportInterval.duration, dialect: oracleDialect,
          retry: RetryPolicy(finalAttempts: 3)),
        try oracleCa.map { try HTTPReportTransport(certificateAuthority: $0) }
          ?? HTTPReportTransport()
      )
    }
    return OracleReporter(
      configuration: configuration, key: key, collector: metrics, transport: transport)
  }

  /// The service that registers the agent, sends its heartbeats and submits its proofs; nil when no
  /// chain was named.
  ///
  /// It submits every proof that is made from this call on.
  func agentService(
    key: SecretKey, _ model: String, _ metrics: MetricsCollector,
    announce: @escaping @Sendable (ServiceEvent) -> Void
  ) -> AgentService? {
    guard let chainRpc else { return nil }
    let agent = ChainAgent(
      ChainAgentConfiguration(chainID: chainID), key: key, client: EthereumClient(url: chainRpc))
    return AgentService(
      agent, registration: .ofNode(serving: model, as: key.address),
      schedule: .init(heartbeatInterval: heartbeatInterval.duration),
      proofs: metrics.proofs.arrivals()
    ) { event in
      if let event = ServiceEvent(event, of: key.address) { announce(event) }
    }
  }
}
