import Bloom
import EthereumPrimitives
import Subprocess

/// Runs a network for the duration of a body, and says how that ended.
struct NetworkSession: Sendable {
  /// How a session ended.
  enum Outcome: Sendable {
    case finished
    /// A signal, or the end of the parent process, stopped it.
    case interrupted(ShutdownSignals.Reason)
    case failed(CommandFailure)

    /// Why the work was not done; nil when it was.
    var failure: CommandFailure? {
      switch self {
      case .finished: nil
      case .interrupted(let reason): .failed(reason.rawValue)
      case .failed(let failure): failure
      }
    }
  }

  let options: NetworkOptions
  var form = NetworkForm.documented
  let log: StepLog
  let signals: ShutdownSignals
  let quiet: Bool
  /// Whether chain, oracle and gateway have a second port for orders of faults.
  var servicesTakeFaults = false
  /// Gathers what the network does; nil where nobody watches.
  var watcher: NetworkWatcher?
  /// Whether a request to shut down is for the body to notice, and does not end it.
  var leavesSignals: @Sendable () -> Bool = { false }

  /// Starts the network, runs the body, and stops everything, whatever happened in between.
  ///
  /// The body is cancelled when a child ends unexpectedly, or when a shutdown is requested.
  /// - Parameters:
  ///   - prepare: sees the model before any process starts, and may refuse it.
  ///   - body: uses the network.
  func run<Preparation: Sendable>(
    prepare: @escaping @Sendable (Checkpoint) throws -> Preparation,
    _ body: @escaping @Sendable (RunningNetwork, NetworkProcesses, Preparation) async throws -> Void
  ) async -> Outcome {
    let processes = NetworkProcesses(watcher: watcher)
    var outcome = Outcome.finished
    var reporting: [ServiceProcess] = []
    KeyFolder.removeAbandoned()
    do {
      let keys = try KeyFolder()
      defer { keys.remove() }
      let starter = NetworkStarter(
        options: options, form: form, processes: processes, log: log, keys: keys, quiet: quiet,
        servicesTakeFaults: servicesTakeFaults)
      let network = try await interruptible(processes) {
        let (path, checkpoint) = try await starter.openModel()
        let preparation = try prepare(checkpoint)
        let network = try await starter.start(path, checkpoint)
        try await body(network, processes, preparation)
        return network
      }
      reporting = network.nodes.map(\.process)
    } catch {
      outcome = await failureOutcome(of: error, processes)
    }
    do {
      let stopper = NetworkStopper(
        fixedPorts: options.ports.fixed(nodes: options.nodes, of: form.kind),
        processes: processes, log: log)
      try await stopper.stop(expectingLastReportFrom: reporting)
    } catch {
      // What went wrong before is the cause, and said already.
      if case .failed = outcome {} else { outcome = .failed(.failed("\(error)")) }
    }
    return outcome
  }

  /// Runs a body until it ends, a child ends unexpectedly, or a shutdown is requested.
  private func interruptible<R: Sendable>(
    _ processes: NetworkProcesses, _ body: @escaping @Sendable () async throws -> R
  ) async throws -> R {
    try await withThrowingTaskGroup(of: R.self) { group in
      group.addTask(operation: body)
      group.addTask { throw try await processes.firstFailure() }
      group.addTask { [signals, leavesSignals] in
        let reason = try await signals.next()
        if !leavesSignals() { throw ShutdownRequested(reason: reason) }
        // The body ends by itself, and then this.
        for await _ in AsyncStream<Never>.makeStream().stream {}
        throw CancellationError()
      }
      defer { group.cancelAll() }
      guard let result = try await group.next() else { throw CancellationError() }
      return result
    }
  }

  private func failureOutcome(
    of error: any Error, _ processes: NetworkProcesses
  ) async -> Outcome {
    // The same signal may have ended a child; of the two, the user's wish is the cause.
    if let reason = signals.received { return .interrupted(reason) }
    switch error {
    case let error as ShutdownRequested: return .interrupted(error.reason)
    case let error as ChildFailure: return await outcome(of: error)
    case let error as CommandFailure where error.status == .wrongInput: return .failed(error)
    default:
      if let child = await processes.recentFailure() { return await outcome(of: child) }
      return .failed(error as? CommandFailure ?? .failed("\(error)"))
    }
  }

  private func outcome(of child: ChildFailure) async -> Outcome {
    if child.isByShutdownSignal, let reason = await requestWithinAMoment() {
      return .interrupted(reason)
    }
    // The child's advice names its own options, which are not those of this command.
    if let port = child.refusedPort { return .failed(LocalPort.inUse(port)) }
    return .failed(child.commandFailure)
  }

  /// The request to shut down that reaches this process about now, if there is one.
  private func requestWithinAMoment() async -> ShutdownSignals.Reason? {
    do {
      return try await withDeadline(.seconds(1), "no signal came") { [signals] in
        try await signals.next()
      }
    } catch {
      // None came: somebody ended the child alone.
      return signals.received
    }
  }
}

/// A shutdown was requested before the work was done.
struct ShutdownRequested: Error {
  let reason: ShutdownSignals.Reason
}

/// A started network: every part of it answers.
struct RunningNetwork: Sendable {
  /// A node, and the agent for which it reports and sends heartbeats.
  struct Node: Sendable {
    let process: ServiceProcess
    let blocks: BlockRange
    let key: SecretKey
    /// `host:port` of its gRPC service.
    let peer: String
    /// The URL of its HTTP API; nil for a node without one.
    var httpURL: String?
    /// What starts it again at the same address, but for the file of its key.
    var arguments: [String] = []

    var agent: Address { key.address }
  }

  let modelPath: String
  let checkpoint: Checkpoint
  let chain: ServiceProcess
  let chainURL: String
  let oracle: ServiceProcess
  let oracleURL: String
  let nodes: [Node]
  /// Where the faults of services are ordered, by the services' names.
  var administrations: [(name: String, url: String)] = []
  /// What a network of agents has in addition.
  var agents: AgentNetwork?

  /// Where the faults of services are ordered, that of the oracle of agents among them.
  var faultAdministrations: [(name: String, url: String)] {
    let oracle = agents.map { [(name: "oracle", url: $0.administrationURL)] } ?? []
    return administrations + oracle
  }

  var processes: [ServiceProcess] {
    [chain, oracle] + nodes.map(\.process) + (agents.map { [$0.gateway] } ?? [])
  }
}

/// The last steps of the flow: stops every process and checks that none, and no port, is left.
struct NetworkStopper: Sendable {
  /// The ports that were asked for.
  ///
  /// Another program may take one that the system chose as soon as it is free.
  let fixedPorts: [Int]
  let processes: NetworkProcesses
  let log: StepLog

  /// Stops the children, whether the flow passed or failed.
  ///
  /// - Parameter nodes: who must report once more as they stop; empty when the flow failed.
  func stop(expectingLastReportFrom nodes: [ServiceProcess]) async throws {
    if !nodes.isEmpty {
      try await log.run("each node reports once more as it stops") {
        await processes.stop(nodes)
        for node in nodes {
          let reported = node.events.contains {
            if case .reported(_, isLast: true) = $0 { true } else { false }
          }
          if !reported { throw CommandFailure.failed("\(node.name) sent no last report") }
        }
        return ((), "\(nodes.count) last reports")
      }
    }
    let title = fixedPorts.isEmpty ? "no process is left" : "no process is left, every port is free"
    try await log.run(title) {
      let terminations = await processes.stop(processes.all)
      for (name, termination) in terminations
      where termination.stopWasRequested && !termination.isOrderly {
        throw ChildFailure(name: name, termination: termination)
      }
      let ports = Set(processes.all.flatMap(\.ports)).intersection(fixedPorts)
      for port in ports where !LocalPort.isFree(port) {
        throw CommandFailure.failed("port \(port) is still in use")
      }
      let ended = "\(terminations.count) processes ended"
      return ((), ports.isEmpty ? ended : "\(ended), \(ports.count) ports free")
    }
  }
}
