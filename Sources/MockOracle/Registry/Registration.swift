public import EthereumPrimitives
import PlumiseWire

/// What a node told the registry or the pipeline, as it came.
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
  init(_ kind: StoredRegistration.Kind, _ bytes: [UInt8]) throws(RejectionReason) {
    let object = try kind.validator.read(bytes)
    guard let text = object["address"]?.stringValue,
      // The validator has seen that it is an address.
      let agent = try? Address(text), let timestamp = object["timestamp"]?.doubleValue,
      let signature = object["signature"]?.stringValue
    else { throw .invalid([]) }
    self.kind = kind
    self.agent = agent
    self.timestamp = timestamp
    self.signature = signature
    self.bytes = bytes
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

  /// What is answered when it was taken.
  var success: String {
    switch self {
    case .node: "Node registered successfully"
    case .pipelineNode: "Pipeline node registered successfully"
    case .pipelineReady: "Pipeline node marked as ready"
    }
  }
}
