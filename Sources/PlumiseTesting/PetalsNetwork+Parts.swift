import AsyncPrimitives
public import Bloom
import EthereumPrimitives
import MockGateway
import MockOracle
import MockServing
import MockWeb3
import PetalsNode

/// A service of a network that a test can end and start again.
public enum NetworkPart: String, Hashable, Sendable, CaseIterable {
  /// ``PetalsNetwork/chain``.
  case chain
  /// ``PetalsNetwork/oracle``.
  case oracle
  /// ``PetalsNetwork/gateway``.
  case gateway
}

/// What happens to parts in the middle of a test; nodes have ``NetworkNode/stop()``,
/// ``NetworkNode/kill()`` and ``NetworkNode/restart(keepingState:)``.
///
/// A part that does not run refuses connections, as a machine does on which no such program runs. It
/// starts again where it was.
extension PetalsNetwork {
  /// Stops a part as an operator does: requests under way are finished.
  ///
  /// Nothing happens to a part that does not run.
  /// - Throws: ``NetworkPlanError/noGateway``.
  public func stop(_ part: NetworkPart) async throws {
    try await service(part).end(false)
  }

  /// Kills a part, as a signal does that cannot be caught: requests under way are broken off.
  ///
  /// What was under way may have had its effect. Nothing happens to a part that does not run.
  /// - Throws: ``NetworkPlanError/noGateway``.
  public func kill(_ part: NetworkPart) async throws {
    try await service(part).end(true)
  }

  /// Starts a part again, at the same address; one that runs is stopped first.
  ///
  /// - Parameters:
  ///   - part: The part.
  ///   - keepingState: Whether it has what it had: ``chain``, ``oracle`` or ``gateway`` stays the same
  ///     object. Without its state it is a new one of the same configuration: a chain at its first
  ///     block, on which the accounts of the nodes' agents have their coins again and are not
  ///     registered; an oracle that has only what the log of its configuration brings back; a gateway
  ///     that looks for its nodes. Faults of the chain are part of its state, those of
  ///     ``oracleFaults`` stay.
  /// - Throws: ``NetworkPlanError/noGateway``, and what serving throws; the part does not run then.
  public func restart(_ part: NetworkPart, keepingState: Bool = true) async throws {
    try await service(part).restart(keepingState)
  }

  /// Whether a part runs; false for a gateway that the network does not have.
  public func isRunning(_ part: NetworkPart) -> Bool {
    switch part {
    case .chain: services.chain.isRunning
    case .oracle: services.oracle.isRunning
    case .gateway: services.gateway?.isRunning ?? false
    }
  }

  /// Adds a node, with a key of its own, behind the others.
  ///
  /// It serves when this returns. In a plan with ``NetworkPlan/runsServices`` its agent is registered and
  /// lives; a newest agent has joined the pipeline. Others learn of it as they would: a client that
  /// connects finds it among ``peers``.
  /// - Parameter blocks: What it serves.
  /// - Throws: What starting a node, registering or joining throws.
  @discardableResult
  public func addNode(blocks: BlockRange) async throws -> NetworkNode {
    try await changingNodes.withLock {
      let node = try await startNodes([blocks], from: nodes.count)[0]
      try await begin([node])
      return node
    }
  }

  /// Puts a new node, with a key of its own, in the place of another one, which is stopped if it runs.
  ///
  /// - Parameter index: The place of both in ``nodes``.
  /// - Precondition: There is a node at the place.
  /// - Throws: What starting a node, registering or joining throws.
  @discardableResult
  public func replaceNode(at index: Int) async throws -> NetworkNode {
    try await changingNodes.withLock {
      let old = nodes[index]
      _ = await old.close()
      let node = try await startNodes([old.node.configuration.blocks], from: index)[0]
      try await begin([node])
      return node
    }
  }

  /// What can be done to a part, whichever service it is.
  private struct PartControl: Sendable {
    let end: @Sendable (_ kills: Bool) async -> Void
    let restart: @Sendable (_ keepingState: Bool) async throws -> Void
  }

  private func service(_ part: NetworkPart) throws -> PartControl {
    switch part {
    case .chain:
      return control(services.chain, part) { chain in
        // As in a new network, every agent has its coins.
        guard self.plan.agents == .documented else { return }
        for node in self.nodes { chain.fund(node.address) }
      }
    case .oracle: return control(services.oracle, part)
    case .gateway:
      guard let gateway = services.gateway else { throw NetworkPlanError.noGateway }
      return control(gateway, part)
    }
  }

  private func control<Service: Sendable>(
    _ service: NetworkService<Service>, _ part: NetworkPart,
    prepare: @escaping @Sendable (Service) -> Void = { _ in }
  ) -> PartControl {
    let setting = setting
    return PartControl(
      end: { kills in
        guard service.isRunning else { return }
        await service.end(kills: kills)
        setting.note(kills ? .killed : .stopped, of: part.rawValue)
      },
      restart: { keepingState in
        if service.isRunning {
          await service.end(kills: false)
          setting.note(.stopped, of: part.rawValue)
        }
        try await service.restart(keepingState: keepingState, prepare: prepare)
        setting.note(.started, of: part.rawValue)
      })
  }
}
