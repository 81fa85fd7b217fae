import AsyncPrimitives
import MockServing
import OracleReporter
import PetalsNode
import PlumiseWire

/// The life of a network's newest agents in the oracle's pipeline.
struct AgentPipeline {
  /// The memory that an agent names for each of its blocks, so that the oracle shares layers as the
  /// plan does.
  private static let megabytesPerBlock: Int64 = 1024

  let plan: NetworkPlan
  let time: NetworkTime
  let oracleAddress: ServerAddress

  private struct Member: Sendable {
    let node: NetworkNode
    let membership: PipelineMembership

    func receive(_ topology: [PipelineNode]) { node.node.follow(topology) }
  }

  /// Has the nodes join, become ready and report, and follow the topology while a body runs.
  ///
  /// Documented nodes do nothing of it.
  func withMembers<Result: Sendable>(
    _ nodes: [NetworkNode], isolation: isolated (any Actor)? = #isolation,
    _ body: () async throws -> Result
  ) async throws -> Result {
    guard plan.agents != .documented else { return try await body() }
    let members = try nodes.map { node in
      let oracle = PipelineOracle(
        url: try OracleURL(oracleAddress.url), model: plan.pipelineModel, key: node.key,
        clock: time.clock, unixClock: time.unixClock)
      let membership = PipelineMembership(oracle) { [logger = plan.logger] in
        logger.warning("\($0)")
      }
      return Member(node: node, membership: membership)
    }
    // A chain that makes blocks at intervals makes the one with the registration on the way.
    try await time.run { try await begin(members) }
    let following = TaskScope(on: time.clock.monitor)
    for member in members { following.spawn { await member.membership.follow(member.receive) } }
    let outcome: Swift.Result<Result, any Error>
    do {
      for node in nodes { try await node.reporter.start() }
      outcome = .success(try await body())
    } catch {
      outcome = .failure(error)
    }
    following.cancel()
    await following.wait()
    return try outcome.get()
  }

  private func begin(_ members: [Member]) async throws {
    for member in members {
      guard let httpURL = member.node.httpURL else {
        preconditionFailure("an agent has an HTTP API")
      }
      _ = try await member.membership.oracle.join(
        grpcEndpoint: "http://\(member.node.peer)", httpEndpoint: httpURL,
        ramMegabytes: Int64(member.node.node.configuration.blocks.count) * Self.megabytesPerBlock)
    }
    for member in members {
      let topology = try await member.membership.oracle.topology()
      try await member.membership.begin(with: topology, member.receive)
    }
  }
}
