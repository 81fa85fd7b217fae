import AsyncPrimitives
import OracleReporter
import PetalsNode
import PlumiseWire

/// The life of a network's newest agents in the oracle's pipeline.
struct AgentPipeline {
  /// The memory that an agent names for each of its blocks, so that the oracle shares layers as the
  /// plan does.
  private static let megabytesPerBlock: Int64 = 1024

  private let setting: NodeSetting

  init(_ setting: NodeSetting) { self.setting = setting }

  private struct Member: Sendable {
    let node: NetworkNode
    let life: NetworkNodeLife
    let membership: PipelineMembership

    func receive(_ topology: [PipelineNode]) { life.node.follow(topology) }
  }

  /// Has the nodes join and become ready; they follow the topology and report until their lives end.
  ///
  /// Documented nodes do nothing of it.
  func join(_ nodes: [NetworkNode]) async throws {
    let (plan, time) = (setting.plan, setting.time)
    guard plan.agents != .documented else { return }
    let members = try nodes.map { node in
      let oracle = PipelineOracle(
        url: try OracleURL(node.setting.oracleAddress.url), model: plan.pipelineModel,
        key: node.key,
        clock: time.clock, unixClock: time.unixClock, client: setting.client)
      let membership = PipelineMembership(oracle) { [logger = plan.logger] in
        logger.warning("\($0)")
      }
      return Member(node: node, life: node.life, membership: membership)
    }
    // A chain that makes blocks at intervals makes the one with the registration on the way.
    try await time.run { try await begin(members) }
    for member in members {
      member.life.services.spawn { await member.membership.follow(member.receive) }
    }
    for member in members { try await member.life.reporter.start() }
  }

  private func begin(_ members: [Member]) async throws {
    for member in members {
      guard let httpURL = member.node.httpURL else {
        preconditionFailure("an agent has an HTTP API")
      }
      _ = try await member.membership.oracle.join(
        grpcEndpoint: "http://\(member.node.peer)", httpEndpoint: httpURL,
        ramMegabytes: Int64(member.life.node.configuration.blocks.count) * Self.megabytesPerBlock)
    }
    for member in members {
      let topology = try await member.membership.oracle.topology()
      try await member.membership.begin(with: topology, member.receive)
    }
  }
}
