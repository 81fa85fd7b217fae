public import EthereumPrimitives

/// A node's message to the oracle's registry, and its signed text.
public struct NodeRegistration: Hashable, Sendable {
  /// Where it is posted.
  public static let path = "/api/nodes/register"
  /// The names of the signed members, in the order of the signed text.
  public static let signedMembers = ["address", "endpoint", "capabilities", "timestamp"]

  /// The node's account.
  public let address: Address
  /// The URL at which the node answers.
  public let endpoint: String
  /// The node's capabilities.
  public let capabilities: [String]
  /// When the message is made, in seconds since 1970.
  public let timestamp: Int64
  /// Members that are sent and not signed, such as `benchmarkTokPerSec`.
  public let extras: JSONObject

  /// A registration of its parts.
  public init(
    address: Address, endpoint: String, capabilities: [String], timestamp: Int64,
    extras: JSONObject = [:]
  ) {
    self.address = address
    self.endpoint = endpoint
    self.capabilities = capabilities
    self.timestamp = timestamp
    self.extras = extras
  }

  /// The members that are signed.
  public var message: RegistryMessage {
    RegistryMessage(
      members: [
        "address": .string(address.checksummed), "endpoint": .string(endpoint),
        "capabilities": .array(capabilities.map { .string($0) }),
        "timestamp": .integer(timestamp),
      ], extras: extras)
  }
}

/// A node's message to the oracle's pipeline, and its signed text.
public struct PipelineRegistration: Hashable, Sendable {
  /// Where it is posted.
  public static let path = "/api/v1/pipeline/register"
  /// The names of the signed members, in the order of the signed text.
  public static let signedMembers = [
    "address", "grpcEndpoint", "httpEndpoint", "model", "ramMb", "device", "vramMb", "timestamp",
  ]

  /// The node's account.
  public let address: Address
  /// Where the node serves its blocks.
  public let grpcEndpoint: String
  /// Where the node generates; it must differ from the other.
  public let httpEndpoint: String
  /// The model that the node can serve.
  public let model: String
  /// The node's memory, in megabytes.
  public let ramMegabytes: Int64
  /// The node's device, `cpu` or another.
  public let device: String
  /// The memory of its accelerator, in megabytes.
  public let vramMegabytes: Int64
  /// When the message is made, in seconds since 1970.
  public let timestamp: Int64
  /// Members that are sent and not signed, such as `benchmarkTokPerSec`.
  public let extras: JSONObject

  /// A registration of its parts.
  public init(
    address: Address, grpcEndpoint: String, httpEndpoint: String, model: String,
    ramMegabytes: Int64, device: String = "cpu", vramMegabytes: Int64 = 0, timestamp: Int64,
    extras: JSONObject = [:]
  ) {
    self.address = address
    self.grpcEndpoint = grpcEndpoint
    self.httpEndpoint = httpEndpoint
    self.model = model
    self.ramMegabytes = ramMegabytes
    self.device = device
    self.vramMegabytes = vramMegabytes
    self.timestamp = timestamp
    self.extras = extras
  }

  /// The members that are signed.
  public var message: RegistryMessage {
    RegistryMessage(
      members: [
        "address": .string(address.checksummed), "grpcEndpoint": .string(grpcEndpoint),
        "httpEndpoint": .string(httpEndpoint), "model": .string(model),
        "ramMb": .integer(ramMegabytes), "device": .string(device),
        "vramMb": .integer(vramMegabytes), "timestamp": .integer(timestamp),
      ], extras: extras)
  }
}

/// A node's word that it has loaded its blocks.
public struct PipelineReady: Hashable, Sendable {
  /// Where it is posted.
  public static let path = "/api/v1/pipeline/ready"
  /// The names of the signed members, in the order of the signed text.
  public static let signedMembers = ["address", "model", "timestamp"]

  /// The node's account.
  public let address: Address
  /// The model whose blocks it has loaded.
  public let model: String
  /// When the message is made, in seconds since 1970.
  public let timestamp: Int64

  /// The word of a node.
  public init(address: Address, model: String, timestamp: Int64) {
    self.address = address
    self.model = model
    self.timestamp = timestamp
  }

  /// The members that are signed.
  public var message: RegistryMessage {
    RegistryMessage(members: [
      "address": .string(address.checksummed), "model": .string(model),
      "timestamp": .integer(timestamp),
    ])
  }
}

/// A message of the node registry or the pipeline: members that are signed in their order, and
/// others that are only sent.
public struct RegistryMessage: Hashable, Sendable {
  /// The signed members, in the order of the signed text.
  public let members: JSONObject
  /// The members that are not signed.
  public let extras: JSONObject

  init(members: JSONObject, extras: JSONObject = [:]) {
    self.members = members
    self.extras = extras
  }

  /// The text that the signature covers.
  public var signedText: SignedText {
    SignedText(stringified: members.members.map { ($0.key, $0.value) })
  }

  /// The body that is posted: all members and the signature.
  public func body(signedWith key: SecretKey) -> JSON {
    var object = members
    for member in extras.members { object[member.key] = member.value }
    object["signature"] = .string(signedText.signature(by: key).hex)
    return .object(object)
  }

  /// The text that the signature of an arrived body covers, from the members that are signed.
  public static func signedText(_ names: [String], of body: JSONObject) -> SignedText {
    SignedText(stringified: names.map { ($0, body[$0]) })
  }
}
