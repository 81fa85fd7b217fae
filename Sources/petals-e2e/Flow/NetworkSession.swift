import Bloom

/// A network for the time of a body, and the record of how that went.
struct NetworkSession: Sendable {
  /// How a session ended.
  enum Outcome: Sendable {
    case finished
    /// The user, or the parent process, wanted it to stop.
    case interrupted(StopRequests.Reason)
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
  let log: StepLog
  let stops: StopRequests
  let quiet: Bool

  /// Starts the network, runs the body, and stops everything, whatever happened in between.
  ///
  /// The body is cancelled when a child ends that was not asked to, or when the user wants to stop.
  /// - Parameters:
  ///   - prepare: sees the model before any process starts, and may refuse it.
  ///   - body: uses the network.
  func run<Preparation: Sendable>(
    prepare: @escaping @Sendable (Checkpoint) throws -> Preparation,
    _ body: @escaping @Sendable (RunningNetwork, Preparation) async throws -> Void
  ) async -> Outcome {
    let processes = NetworkProcesses()
    var outcome = Outcome.finished
    var reporting: [ServiceProcess] = []
    do {
      let keys = try KeyFolder()
      defer { keys.remove() }
      let starter = NetworkStarter(
        options: options, processes: processes, log: log, keys: keys, quiet: quiet)
      let network = try await interruptible(processes) {
        let (path, checkpoint) = try await starter.model()
        let preparation = try prepare(checkpoint)
        let network = try await starter.start(path, checkpoint)
        try await body(network, preparation)
        return network
      }
      reporting = network.nodes.map(\.process)
    } catch {
      outcome = await explanation(of: error, processes)
    }
    do {
      let stopper = NetworkStopper(
        fixedPorts: options.ports.fixed(nodes: options.nodes), processes: processes, log: log)
      try await stopper.stop(expectingLastReportFrom: reporting)
    } catch {
      // What went wrong before is the cause, and said already.
      if case .failed = outcome {} else { outcome = .failed(.failed("\(error)")) }
    }
    return outcome
  }

  /// Runs a body until it ends, a child ends unasked, or the user wants to stop.
  private func interruptible<R: Sendable>(
    _ processes: NetworkProcesses, _ body: @escaping @Sendable () async throws -> R
  ) async throws -> R {
    try await withThrowingTaskGroup(of: R.self) { group in
      group.addTask(operation: body)
      group.addTask { throw try await processes.firstFailure() }
      group.addTask { [stops] in throw Interruption(reason: try await stops.next()) }
      defer { group.cancelAll() }
      guard let result = try await group.next() else { throw CancellationError() }
      return result
    }
  }

  private func explanation(
    of error: any Error, _ processes: NetworkProcesses
  ) async -> Outcome {
    switch error {
    case let error as ChildFailure: return .failed(error.commandFailure)
    case let error as Interruption: return .interrupted(error.reason)
    case let error as CommandFailure where error.status == .wrongInput: return .failed(error)
    default:
      if let child = await processes.failureBehind() { return .failed(child.commandFailure) }
      return .failed(error as? CommandFailure ?? .failed("\(error)"))
    }
  }
}

/// The user wants to stop before the work is done.
struct Interruption: Error {
  let reason: StopRequests.Reason
}
