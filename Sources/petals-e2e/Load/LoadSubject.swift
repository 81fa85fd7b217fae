import ArgumentParser
import AsyncPrimitives
import NetworkWatch
import PlumiseTesting

/// What a load is on: services that run, or a network of its own.
struct LoadSubjectOptions: ParsableArguments {
  /// Which network a load starts.
  enum OwnNetwork: String, CaseIterable, ExpressibleByArgument {
    /// That of `up --network agents`: it has every kind of target.
    case agents
  }

  @Option(within: .serviceURL, help: "A service's URL; may be repeated.")
  var target: [String] = []

  @Option(help: "Start a network for the load, and end it afterwards: agents, as for up.")
  var network: OwnNetwork?

  @Option(
    within: .mix,
    help: "How requests are shared out; by default each target gets as many.")
  var mix: LoadMix?

  @Option(help: "With a network of its own: a model's folder, tiny, or bloom-560m.")
  var model = "bloom-560m"

  @Option(
    within: WholeNumbers("a number of nodes", 1...256),
    help: "With --network: how many nodes share the model's blocks.")
  var nodes = 2

  @Flag(help: "With --network: serve a page that shows what happens as it happens.")
  var watch = false

  @OptionGroup var watching: WatchOptions

  func validate() throws {
    if network == nil, watch || watching.events != nil {
      throw ValidationError(
        "--watch and --events show a network that the load started: they need --network")
    }
  }

  /// Runs a body with the URLs to load, and with what is known of the processes there.
  ///
  /// A network of its own is up while the body runs, and ends after it, whatever happened. A signal
  /// that comes while it starts ends it; one that comes later is the body's to notice.
  /// - Throws: What the body throws, and why the load failed; `CommandFailure` for a network that
  ///   does not start, or fails.
  func with(
    _ signals: ShutdownSignals, _ output: OutputOptions,
    _ body: @escaping @Sendable (LoadSubject) async throws -> LoadOutcome
  ) async throws {
    guard network != nil else { return try await body(LoadSubject(urls: target)).finish() }
    let options = try NetworkOptions.parse([
      "--model", model, "--nodes", "\(nodes)", "--ports", PortChoice.auto.rawValue,
    ])
    let watcher = watch || watching.events != nil ? try watching.makeWatcher() : nil
    let log = StepLog(
      style: output.style, quiet: output.quiet, onStep: { watcher?.record($0) }
    ) { line in output.note(line) }
    let isLoading = AsyncState(false)
    let ended = AsyncState<Result<LoadOutcome, any Error>?>(nil)
    let session = NetworkSession(
      options: options, form: .agents(leavingPlace: nil), log: log, signals: signals,
      quiet: output.quiet, servicesTakeFaults: watch, watcher: watcher,
      leavesSignals: { isLoading.value })
    let (watch, watching) = (watch, watching)
    let outcome = await session.run(prepare: { _ in }) { network, processes, _ in
      let subject = LoadSubject(network, watcher: watcher)
      @Sendable func load() async {
        isLoading.update { $0 = true }
        // A load that fails is no reason for the network not to end in its order.
        do {
          let outcome = try await body(subject)
          ended.update { $0 = .success(outcome) }
        } catch {
          ended.update { $0 = .failure(error) }
        }
      }
      guard watch, let watcher else { return await load() }
      try await NodeLinks.with(
        network.nodes, observe: { watcher.events.record("links", .fault(FaultNews($0))) }
      ) { links in
        try await NetworkPage.serve(
          network, links, processes, watcher, port: watching.port(beside: .auto), output
        ) { await load() }
      }
    }
    // The result follows the network's last steps, and is printed when these failed as well.
    if let failure = outcome.failure {
      if case .success(let load)? = ended.value { load.print() }
      throw failure
    }
    try ended.value?.get().finish()
  }
}

/// The result of a load, which is printed when everything has ended.
struct LoadOutcome: Sendable {
  /// Prints the result.
  let print: @Sendable () -> Void
  /// Why the load failed, or a file of it was not written; nil when all is well.
  let failure: CommandFailure?

  /// - Throws: Why the load failed, after its result was printed.
  func finish() throws {
    print()
    if let failure { throw failure }
  }
}

/// What a load is on.
struct LoadSubject: Sendable {
  /// The services' addresses.
  let urls: [String]
  /// The processes under load, where they are known: those of a network that the load started.
  var processes: [(name: String, id: Int32)] = []
  /// Where the load's events go; nil where there is neither a page nor a file of events.
  var watcher: NetworkWatcher?

  init(urls: [String]) { self.urls = urls }

  /// A network of agents: its first agent is the one that generates.
  fileprivate init(_ network: RunningNetwork, watcher: NetworkWatcher?) {
    urls =
      [network.chainURL, network.oracleURL]
      + [network.nodes.first?.httpURL, network.agents?.gatewayURL].compactMap { $0 }
    processes = network.processes.compactMap { child in
      child.processID.map { (child.name, $0) }
    }
    self.watcher = watcher
  }
}
