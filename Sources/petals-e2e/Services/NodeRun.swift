import AsyncPrimitives
import ChainAgent
import InferenceMetrics
import MockOracle
import MockServing
import OracleReporter
import PetalsNode
import PlumiseWire

/// A node that serves until it is told to stop, on other blocks where its swarm needs them more.
///
/// Its agent, its reports and its port for orders of faults begin when the first node is ready, and go on
/// while one node gives way to the next: what sessions that end with a node were for is proved and
/// reported as well.
struct NodeRun: Sendable {
  let configuration: NodeConfiguration
  let metrics: MetricsCollector
  let faults: FaultOptions
  let script: FaultScript
  let service: ServiceOptions
  let signals: ShutdownSignals
  /// The node's place in a pipeline, with the topology that was read before it started.
  let pipeline: (member: PipelineMember, topology: [PipelineNode], isListed: Bool)?
  let agent: AgentService?
  let reporter: OracleReporter?

  /// Serves until the signals say so.
  ///
  /// - Parameter membership: The node's place in a swarm; nil for a node without one.
  func serve(in membership: SwarmMembership?) async throws {
    let hasStarted = AsyncState(false)
    // All reports from the first one on, whenever the task begins to read them.
    let outcomes = reporter?.outcomes()
    try await withThrowingTaskGroup(of: Bool.self) { group in
      defer { group.cancelAll() }
      if let agent {
        group.addTask {
          try await hasStarted.wait { $0 }
          try await agent.run()
          return false
        }
      }
      if let outcomes {
        group.addTask {
          for await outcome in outcomes where !outcome.isFinal { announce(outcome) }
          return false
        }
      }
      group.addTask {
        try await hasStarted.wait { $0 }
        try await faults.withAdministration(
          FaultAdministration(of: script) { try FaultOrder(json: $0).rule }, of: .node,
          as: .nodeAdministration, service
        ) { try await AsyncState(false).wait { $0 } }
        return false
      }
      group.addTask {
        try await serveNodes(in: membership) {
          if let reporter, await !reporter.isRunning { try await reporter.start() }
          hasStarted.update { $0 = true }
        }
        return true
      }
      while let hasEnded = try await group.next(), !hasEnded {}
    }
  }

  /// Serves with one node after another.
  private func serveNodes(
    in membership: SwarmMembership?, _ onReady: @Sendable () async throws -> Void
  ) async throws {
    var configuration = configuration
    var isToMove = true
    do {
      while isToMove {
        if let blocks = try await membership?.blocks() { configuration.blocks = blocks }
        if let budget = membership?.cacheBudget { configuration.cacheBudget = budget }
        isToMove = try await withPetalsNode(configuration, metrics: metrics, faults: script) {
          node in
          announce(node)
          // The next one listens where this one does.
          if let address = node.address { configuration.grpc.port = address.port }
          if let address = node.httpAddress { configuration.http?.port = address.port }
          try await onReady()
          return try await serve(node, in: membership)
        }
      }
    } catch {
      // What was counted is reported whatever ends it.
      await stopReporting()
      throw error
    }
    await stopReporting()
  }

  /// Serves with one node.
  ///
  /// - Returns: Whether another one is to follow on other blocks.
  private func serve(_ node: PetalsNode, in membership: SwarmMembership?) async throws -> Bool {
    try await withThrowingTaskGroup(of: Void.self) { group in
      defer { group.cancelAll() }
      if let (member, topology, isListed) = pipeline {
        group.addTask { await member.follow(node, from: topology, isListed: isListed) }
      }
      let untilStopped: @Sendable () async throws -> Void = { _ = try await signals.next() }
      guard let membership else {
        try await untilStopped()
        return false
      }
      return try await membership.serve(node, untilStopped)
    }
  }

  private func stopReporting() async {
    if let last = await reporter?.stop() { announce(last) }
  }

  private func announce(_ node: PetalsNode) {
    if let address = node.address {
      service.announce(.listening(.node, url: "grpc://\(address)"))
    }
    if let address = node.httpAddress {
      service.announce(.listening(.nodeHTTP, url: "http://\(address)"))
    }
  }

  private func announce(_ outcome: ReportOutcome) {
    if let failure = outcome.failure {
      service.announce(.trouble("report \(outcome.number) was not accepted: \(failure)"))
    } else {
      service.announce(.reported(tokens: outcome.processedTokens, isLast: outcome.isFinal))
    }
  }
}
