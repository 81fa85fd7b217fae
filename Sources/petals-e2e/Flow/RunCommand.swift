import ArgumentParser
import Bloom
import Foundation
import MockServing
import NetworkWatch
import PlumiseTesting
import Synchronization

/// `run`: the whole flow on real processes, every step checked.
struct RunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Start chain, oracle and nodes, drive the whole flow, check every step, stop.",
    discussion: """
      EXAMPLE
        petals-e2e run
        petals-e2e run --model tiny --ports auto --nodes 3 --json
        petals-e2e run --watch --events events.jsonl
      """)

  @OptionGroup var network: NetworkOptions

  @OptionGroup var flow: FlowOptions

  @Flag(help: "Serve a page that shows what happens as it happens, until the run ends.")
  var watch = false

  @OptionGroup var watching: WatchOptions

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let folder = try ReportFolder(flow.report)
    let page = watch ? [watching.port(beside: network.ports)].filter { $0 != 0 } : []
    try LocalPort.requireFree(network.ports.fixed(nodes: network.nodes) + page)
    let clock = ContinuousClock()
    let began = clock.now
    let found = Mutex(FlowReport(started: Date()))
    let watcher = try watching.makeWatcher()
    let log = StepLog(
      style: output.style, quiet: output.quiet, onStep: { watcher.record($0) }
    ) { line in output.note(line) }
    let session = NetworkSession(
      options: network, log: log, signals: ShutdownSignals(), quiet: output.quiet,
      servicesTakeFaults: watch, watcher: watcher)

    @Sendable func check(
      _ network: RunningNetwork, _ request: Bloom.GenerationRequest
    ) async throws {
      found.withLock { $0.describe(network) }
      let tokenizer = try ModelFolder.tokenizer(of: network.checkpoint)
      let checks = FlowChecks(
        network: network, request: request, cacheType: self.network.cache.type,
        prompt: flow.prompt, tokenizer: tokenizer, log: log)
      let peers = try await checks.checkCoverage()
      let generated = try await checks.checkGeneration(through: peers)
      found.withLock { $0.generation = .init(generated, prompt: flow.prompt) }
      try await checks.compareWithLocal(generated)
      let tokens = Int64(generated.generatedIDs.count)
      let proofs = try await checks.checkProofs(tokens: tokens)
      found.withLock { $0.record(proofs: proofs) }
      let stored = try await checks.checkReports(tokens: tokens)
      found.withLock { $0.record(stored: stored) }
      try await checks.recordStandings(in: watcher.events)
    }
    let outcome = await session.run(prepare: request) { network, processes, request in
      guard watch else { return try await check(network, request) }
      let port = watching.port(beside: self.network.ports)
      let tell: @Sendable (FaultAdministration.Change) -> Void = {
        watcher.events.record("links", .fault(FaultNews($0)))
      }
      try await NodeLinks.with(network.nodes, observe: tell) { links in
        try await NetworkPage.serve(network, links, processes, watcher, port: port, output) {
          try await check(network, request)
        }
      }
    }

    let result = found.withLock { report in
      report.steps = log.steps
      report.failure = outcome.failure?.description
      report.duration = clock.now - began
      report.record(watcher.events)
      return report
    }
    let unwritten = CommandFailure.of { try folder.write(result) }
    // Without a report to look at there is nothing to say in text.
    if unwritten == nil || output.json {
      output.result(result.json, text: "report: \(folder.page)")
    }
    if let failure = CommandFailure.joined(outcome.failure, unwritten) { throw failure }
  }

  /// What is generated; refuses a prompt that does not fit before any process starts.
  private func request(_ checkpoint: Checkpoint) throws -> Bloom.GenerationRequest {
    guard let tokenizer = try ModelFolder.tokenizer(of: checkpoint) else {
      throw CommandFailure.wrongInput("model \(network.model) has no tokenizer.json")
    }
    let request = Bloom.GenerationRequest(
      prompt: tokenizer.encode(flow.prompt), maxNewTokens: flow.maxNewTokens)
    try CommandFailure.checkingInput { try request.validate(checkpoint.configuration) }
    return request
  }
}

/// What `run` and `up` take: which network, on which ports.
struct NetworkOptions: ParsableArguments {
  @Option(help: "The model: a folder, tiny, or bloom-560m (made once and kept in the cache).")
  var model = SyntheticShape.bloom560m.rawValue

  // Each node has a block at least, and no BLOOM model has as many.
  @Option(
    within: WholeNumbers("a number of nodes", 1...256),
    help: "How many nodes share the model's blocks.")
  var nodes = 2

  @Option(help: "documented (chain 26902, oracle 3100, nodes from 31330) or auto for free ones.")
  var ports = PortChoice.documented

  @Option(within: .reportInterval, help: "Seconds between a node's reports to the oracle.")
  var reportInterval = Seconds(whole: 1)

  @OptionGroup var cache: CacheOptions

  @Flag(help: "Have each node hand steps straight on to the next one.")
  var handOn = false

  /// The arguments of every node.
  var nodeArguments: [String] {
    ["--report-interval", "\(reportInterval)", "--cache", cache.type.rawValue]
      + (handOn ? ["--hand-on"] : [])
  }
}

extension PortChoice: ExpressibleByArgument {}

/// What `run` generates, and where it reports; `up` takes the same, so that one line serves both.
struct FlowOptions: ParsableArguments {
  @Option(help: "The text to continue (up continues none).")
  var prompt = "Explain quantum computing"

  @Option(within: .maxNewTokens, help: "Generate at most so many tokens; up generates none.")
  var maxNewTokens = 32

  @Option(help: "The folder for report.html and report.json (up writes none).")
  var report = "report"
}
