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

  /// Accepts or rejects a registration, by the checks of its kind in their order.
  ///
  /// Nodes: form, time window and signature, replay, registration. Pipeline: form, endpoints,
  /// replay, time window and signature, registration (or the node, when it says that it is ready).
  func acceptRegistration(
    _ request: WebRequest, _ kind: StoredRegistration.Kind
  ) async -> Reply {
    var agent: Address?
    do throws(RejectionReason) {
      let registration = try Registration(kind, BodyParser.read(request))
      agent = registration.agent
      try await check(registration)
      let now = configuration.unixClock.seconds
      let assignment = try await registry.accept(registration, at: now)
      return Reply(
        response: DeployedDialect.registered(kind, assignment),
        outcome: .registered(registration.stored(at: now)), agent: agent)
    } catch {
      return Reply(
        response: DeployedDialect.answer(to: error, on: kind == .node ? .nodes : .pipeline),
        outcome: .refused(error), agent: agent)
    }
  }

  private func check(_ registration: Registration) async throws(RejectionReason) {
    func verify() throws(RejectionReason) {
      try checkWindow(registration.timestamp, now: configuration.unixClock.seconds)
      try verifyDeployedSignature(
        registration.signature, of: registration.signedText, by: registration.text("address"))
    }
    switch registration.kind {
    case .node:
      try verify()
      try registry.checkReplay(registration)
      try await checkOrSponsor(registration)
    case .pipelineNode:
      guard registration.text("grpcEndpoint") != registration.text("httpEndpoint") else {
        throw .sameEndpoints
      }
      try registry.checkReplay(registration)
      try verify()
      try await checkOrSponsor(registration)
    case .pipelineReady:
      try registry.checkReplay(registration)
      try verify()
      let (agent, model) = (registration.agent, registration.text("model"))
      let now = configuration.unixClock.seconds
      guard registry.read({ $0.pipeline.contains(agent, model: model, at: now) }) else {
        throw .pipelineNodeNotFound(agent, model: model)
      }
    }
  }

  /// Lets the oracle register a node that is not on the chain, when it has an account to do so.
  private func checkOrSponsor(_ registration: Registration) async throws(RejectionReason) {
    let refusal: RejectionReason
    do {
      return try await checkRegistration(of: registration.agent)
    } catch {
      // A chain that cannot be asked is taken for one that says no.
      refusal = error
    }
    let agent = registration.agent
    let isPipeline = registration.kind == .pipelineNode
    guard let sponsor, chainOperator?.plan.operations.contains(.registration) != false else {
      guard isPipeline else { throw refusal }
      throw .sponsoringFailed(agent, reason: "the oracle has no account on the chain")
    }
    do {
      if isPipeline {
        try await sponsor.register(
          agent, name: "plumise-agent", modelHash: Keccak256.hash(registration.text("model")),
          gasLimit: 300_000)
      } else {
        try await sponsor.register(agent, name: "agent-\(agent.lowercaseHex.suffix(8))")
      }
    } catch {
      throw .sponsoringFailed(agent, reason: "\(error)")
    }
    do { try await checkRegistration(of: agent) } catch { throw .sponsoringIneffective(agent) }
  }
}

/// A message to the registry or the pipeline that was validated; its signature is not checked yet.
struct Registration {
  let kind: StoredRegistration.Kind
  let agent: Address
  let timestamp: Double
  let signature: String
  let signedText: SignedText
  let members: JSONObject
  private let bytes: [UInt8]

  /// Reads a body.
  /// - Throws: ``RejectionReason/malformed(_:)`` or ``RejectionReason/invalid(_:)``.
  init(
    _ kind: StoredRegistration.Kind, _ content: BodyParser.Content
  ) throws(RejectionReason) {
    let object = try kind.validator.read(content)
    guard let text = object["address"]?.stringValue,
      let agent = Address(validated: text), let timestamp = object["timestamp"]?.doubleValue,
      let signature = object["signature"]?.stringValue
    else { throw .invalid([]) }
    self.kind = kind
    self.agent = agent
    self.timestamp = timestamp
    self.signature = signature
    if case .json(let bytes) = content { self.bytes = bytes } else { bytes = [] }
    members = object
    signedText = RegistryMessage.signedText(kind.signedMembers, of: object)
  }

  func stored(at time: Int64) -> StoredRegistration {
    StoredRegistration(
      kind: kind, agent: agent, timestamp: timestamp, receivedAt: time, body: bytes)
  }

  func text(_ name: String) -> String { members[name]?.stringValue ?? "" }

  func number(_ name: String) -> Double { members[name]?.doubleValue ?? 0 }
}

/// A message of a node to the registry or the pipeline, as it came.
public struct StoredRegistration: Sendable, Hashable {
  /// Which of the three messages it is.
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    /// `POST /api/nodes/register`
    case node
    /// `POST /api/v1/pipeline/register`
    case pipelineNode
    /// `POST /api/v1/pipeline/ready`
    case pipelineReady
  }

  /// Which message it is.
  public let kind: Kind
  /// The account that it speaks for, and that signed it.
  public let agent: Address
  /// When it was made, in unix seconds, as the body says.
  public let timestamp: Double
  /// When it came, in unix seconds.
  public let receivedAt: Int64
  /// The body, exactly as it came.
  public let body: [UInt8]
}

extension StoredRegistration.Kind {
  /// What its body must be.
  var validator: ClassValidator {
    switch self {
    case .node: .node
    case .pipelineNode: .pipelineNode
    case .pipelineReady: .pipelineReady
    }
  }

  var signedMembers: [String] {
    switch self {
    case .node: NodeRegistration.signedMembers
    case .pipelineNode: PipelineRegistration.signedMembers
    case .pipelineReady: PipelineReady.signedMembers
    }
  }

  /// What is answered when it was accepted.
  var success: String {
    switch self {
    case .node: "Node registered successfully"
    case .pipelineNode: "Pipeline node registered successfully"
    case .pipelineReady: "Pipeline node marked as ready"
    }
  }
}
