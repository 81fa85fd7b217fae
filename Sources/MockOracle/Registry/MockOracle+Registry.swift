public import EthereumPrimitives
import MockServing
public import PlumiseWire

/// The node registry and the pipeline of the deployed dialect (Wire.md, Node registry and
/// pipeline).
extension MockOracle {
  /// The nodes that registered or reported in the last ten minutes, by address.
  public var activeNodes: [RegisteredNode] {
    let now = configuration.unixClock.seconds
    return registry.read { $0.nodes.active(at: now) }
  }

  /// What the registry holds about a node, active or not.
  public func node(_ address: Address) -> RegisteredNode? {
    registry.read { $0.nodes.nodes[address] }
  }

  /// The active nodes of a model's pipeline, in its order.
  public func topology(of model: String) -> [PipelineNode] {
    let now = configuration.unixClock.seconds
    return registry.read { $0.pipeline.topology(of: model, at: now) }
  }

  /// Takes a registration, by the checks of its kind in their order.
  ///
  /// Nodes: form, time window and signature, replay, registration. Pipeline: form, endpoints,
  /// replay, time window and signature, registration (or the node, when it says that it is ready).
  func acceptRegistration(
    _ request: WebRequest, _ kind: StoredRegistration.Kind
  ) async -> Reply {
    var agent: Address?
    do throws(RejectionReason) {
      guard request.body.count <= ReportDialect.deployed.longestBody else {
        throw .tooLarge(limit: ReportDialect.deployed.longestBody)
      }
      let registration = try Registration(kind, request.body)
      agent = registration.agent
      try await check(registration)
      let now = configuration.unixClock.seconds
      let assignment = try await registry.take(registration, at: now)
      return Reply(
        response: DeployedDialect.registered(kind, assignment),
        outcome: .registered(registration.stored(at: now)), agent: agent, dialect: .deployed)
    } catch {
      return Reply(
        response: DeployedDialect.answer(to: error, on: kind == .node ? .nodes : .pipeline),
        outcome: .refused(error), agent: agent, dialect: .deployed)
    }
  }

  private func check(_ registration: Registration) async throws(RejectionReason) {
    func verify() throws(RejectionReason) {
      try checkWindow(registration.timestamp, now: configuration.unixClock.seconds)
      try verifySignature(
        registration.signature, of: registration.signedText, by: registration.agent)
    }
    switch registration.kind {
    case .node:
      try verify()
      try registry.checkReplay(registration)
      try await checkRegistration(of: registration.agent)
    case .pipelineNode:
      guard registration.text("grpcEndpoint") != registration.text("httpEndpoint") else {
        throw .sameEndpoints
      }
      try registry.checkReplay(registration)
      try verify()
      try await sponsorIfNeeded(registration)
    case .pipelineReady:
      try registry.checkReplay(registration)
      try verify()
      let (agent, model) = (registration.agent, registration.text("model"))
      guard registry.read({ $0.pipeline.contains(agent, model: model) }) else {
        throw .pipelineNodeNotFound(agent, model: model)
      }
    }
  }

  /// A node that joins a pipeline and is not on the chain is registered there by the oracle, when
  /// that has an account to do so.
  private func sponsorIfNeeded(_ registration: Registration) async throws(RejectionReason) {
    do {
      try await checkRegistration(of: registration.agent)
    } catch .unregistered(let agent) {
      guard let contributor else {
        throw .sponsoringFailed(agent, reason: "the oracle has no account on the chain")
      }
      do {
        try await contributor.account.register(agent, model: registration.text("model"))
      } catch {
        throw .sponsoringFailed(agent, reason: "\(error)")
      }
    }
  }
}
