import ArgumentParser
import Bloom
import Foundation
import Synchronization

/// `run`: the whole flow on real processes, every step checked.
struct RunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Start chain, oracle and nodes, drive the whole flow, check every step, stop.",
    discussion: """
      EXAMPLE
        petals-e2e run
        petals-e2e run --model tiny --ports auto --nodes 3 --report /tmp/report --json
      """)

  @OptionGroup var network: NetworkOptions

  @Option(help: "The text to continue.")
  var prompt = "Explain quantum computing"

  @Option(help: "Generate at most so many tokens.")
  var maxNewTokens = 32

  @Option(help: "The folder for report.html and report.json.")
  var report = "report"

  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard maxNewTokens >= 1 else { throw ValidationError("--max-new-tokens must be at least 1") }
  }

  func run() async throws {
    let folder = try ReportFolder(report)
    try LocalPort.requireFree(network.ports.fixed(nodes: network.nodes))
    let clock = ContinuousClock()
    let began = clock.now
    let found = Mutex(FlowReport(started: Date()))
    let log = StepLog { line in output.note(line) }
    let session = NetworkSession(
      options: network, log: log, stops: StopRequests(), quiet: output.quiet)

    let outcome = await session.run(prepare: request) { network, request in
      found.withLock { $0.describe(network) }
      let tokenizer = try ModelFolder.tokenizer(of: network.checkpoint)
      let checks = FlowChecks(
        network: network, request: request, prompt: prompt, tokenizer: tokenizer, log: log)
      let peers = try await checks.coverage()
      let generated = try await checks.generation(through: peers)
      found.withLock { $0.generation = .init(generated, prompt: prompt) }
      try await checks.comparison(with: generated)
      let tokens = Int64(generated.generatedIDs.count)
      try await checks.proofs(tokens: tokens)
      found.withLock { $0.countProofs() }
      let stored = try await checks.reports(tokens: tokens)
      found.withLock { $0.record(stored: stored) }
    }

    let result = found.withLock { report in
      report.steps = log.steps
      report.failure = outcome.failure?.description
      report.duration = clock.now - began
      return report
    }
    try folder.write(result)
    output.result(result.json, text: "report: \(folder.page)")
    if let failure = outcome.failure { throw failure }
  }

  /// What is generated; refuses a prompt that does not fit before any process starts.
  private func request(_ checkpoint: Checkpoint) throws -> Bloom.GenerationRequest {
    guard let tokenizer = try ModelFolder.tokenizer(of: checkpoint) else {
      throw CommandFailure.wrongInput("model \(network.model) has no tokenizer.json")
    }
    let request = Bloom.GenerationRequest(
      prompt: tokenizer.encode(prompt), maxNewTokens: maxNewTokens)
    try CommandFailure.checkingInput { try request.validate(checkpoint.configuration) }
    return request
  }
}
