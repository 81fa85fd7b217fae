import EthereumPrimitives
import PlumiseWire
import TestSupport
import Testing

/// A signed message of the deployed dialect, which a test changes and signs again, as what it then says.
struct DeployedMessage {
  /// Where it is posted.
  let path: String
  /// Its members.
  var object: JSONObject
  private let key: SecretKey

  /// A report, or a message to the registry or the pipeline, that nothing is wrong with.
  init(
    to path: String, by key: SecretKey, at time: Int64, model: String = PlumiseNetwork.model
  ) throws {
    let body =
      switch path {
      case NodeRegistration.path: nodeRegistration(by: key, timestamp: time)
      case PipelineRegistration.path: pipelineRegistration(by: key, model: model, timestamp: time)
      case PipelineReady.path: pipelineReady(by: key, model: model, timestamp: time)
      default: try deployedReport(by: key, timestamp: time)
      }
    self.path = path
    self.key = key
    object = try #require(body.objectValue)
  }

  var body: JSON { .object(object) }

  /// Signs what the members say, whatever they are.
  mutating func sign() {
    object["signature"] = .string(signedText.signature(by: key).hex)
  }

  private var signedText: SignedText {
    let members: [String: [String]] = [
      NodeRegistration.path: NodeRegistration.signedMembers,
      PipelineRegistration.path: PipelineRegistration.signedMembers,
      PipelineReady.path: PipelineReady.signedMembers,
    ]
    guard let names = members[path] else {
      return DeployedReport.signedText(
        agent: object["wallet"], tokens: object["tokensProcessed"],
        timestamp: object["timestamp"])
    }
    return RegistryMessage.signedText(names, of: object)
  }
}
