import Bloom
import ChainAgent
import EthereumClient
import EthereumPrimitives
import MockServing
import MockWeb3
import OracleReporter
import PetalsNode
import PlumiseWire

/// Starts the nodes of a network one within the other, and stops them in reverse.
struct NodeStart {
  let plan: NetworkPlan
  let clock: ManualClock
  let chain: MockWeb3
  let chainAddress: ServerAddress
  let oracleAddress: ServerAddress
  let oracleFaults: FaultScript

  func withNodes<Result: Sendable>(
    _ body: ([NetworkNode]) async throws -> Result
  ) async throws -> Result {
    try await withNodes(plan.blocks[...], started: [], body)
  }

  private func withNodes<Result: Sendable>(
    _ blocks: ArraySlice<LayerRange>, started: [NetworkNode],
    _ body: ([NetworkNode]) async throws -> Result
  ) async throws -> Result {
    guard let range = blocks.first else { return try await body(started) }
    let key = chain.makeAccount().key
    let configuration = NodeConfiguration(
      checkpoint: plan.model.checkpoint, blocks: range, agent: key.address)
    return try await withPetalsNode(configuration, logger: plan.logger) { node in
      guard let address = node.address else { preconditionFailure("a ready node has an address") }
      return try await withLink(to: address) { link in
        let member = try makeMember(node, key, link?.peer ?? address, link)
        do {
          let result = try await withNodes(blocks.dropFirst(), started: started + [member], body)
          await stop(member.reporter)
          return result
        } catch {
          await stop(member.reporter)
          throw error
        }
      }
    }
  }

  private func withLink<Result: Sendable>(
    to address: PeerAddress, _ body: (FaultyLink?) async throws -> Result
  ) async throws -> Result {
    guard plan.hasFaultyLinks else { return try await body(nil) }
    return try await withFaultyLink(to: address) { try await body($0) }
  }

  private func makeMember(
    _ node: PetalsNode, _ key: SecretKey, _ peer: PeerAddress, _ link: FaultyLink?
  ) throws -> NetworkNode {
    let reporter = OracleReporter(
      configuration: try ReporterConfiguration(
        oracleURL: oracleAddress.url, interval: plan.reportInterval,
        dialect: plan.dialect),
      key: key, collector: node.metrics, clock: clock, logger: plan.logger)
    let agent = ChainAgent(
      ChainAgentConfiguration(chainID: plan.chain.rules.chainID), key: key,
      client: EthereumClient(url: chainAddress.url), logger: plan.logger)
    return NetworkNode(
      node: node, peer: peer, link: link, key: key, agent: agent, reporter: reporter,
      clock: clock)
  }

  /// Stops a reporter that the test left running.
  ///
  /// Its last report goes out on a network without faults; a request that a fault holds up is given
  /// up, so that the test can end.
  private func stop(_ reporter: OracleReporter) async {
    guard await reporter.isRunning else { return }
    oracleFaults.clear()
    if oracleFaults.met.count > 0 { clock.advance(by: reporter.configuration.requestTimeout) }
    await reporter.stop()
  }
}
