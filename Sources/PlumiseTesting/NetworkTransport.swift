import AsyncPrimitives
package import EthereumPrimitives
package import PetalsNode

/// How clients reach the nodes of a network.
///
/// ``grpc`` is the nodes' own. Another product brings others: `PlumiseSwarmTesting` has `.swarm`.
public struct NetworkTransport: Sendable {
  /// gRPC, at the address of each node.
  public static let grpc = Self(unavailability: { nil }, begin: nil)

  /// Why this machine cannot have it, for tests that are skipped then; nil where it can.
  let unavailability: @Sendable () async -> String?
  /// Begins it for a network; nil where nodes are reached at their own addresses.
  let begin: (@Sendable (NetworkPlan) async throws -> any NetworkReach)?

  /// A transport.
  package init(
    unavailability: @escaping @Sendable () async -> String?,
    begin: (@Sendable (NetworkPlan) async throws -> any NetworkReach)?
  ) {
    self.unavailability = unavailability
    self.begin = begin
  }
}

/// Another way to the nodes of a running network than to their own addresses.
package protocol NetworkReach: Sendable {
  /// Makes a node that serves reachable.
  ///
  /// - Parameter owner: Its agent, which is the same after a restart.
  func attach(_ node: PetalsNode, of owner: Address) async throws

  /// Ends that, as a stop of the node's process or as its death does.
  func detach(_ owner: Address, kills: Bool) async

  /// Runs a body with a client that generates through the nodes.
  func withClient<Result: Sendable>(
    limits: TransportLimits, recovery: RecoveryPolicy, clock: any Clock<Duration>,
    isolation: isolated (any Actor)?, _ body: (PipelineClient) async throws -> Result
  ) async throws -> Result

  /// Ends all of it; the nodes have ended.
  func end() async
}
