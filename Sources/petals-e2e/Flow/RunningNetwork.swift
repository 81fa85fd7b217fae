import Bloom
import EthereumPrimitives

/// A network whose parts all answer.
struct RunningNetwork: Sendable {
  /// A node and the agent that it reports and beats as.
  struct Node: Sendable {
    let process: ServiceProcess
    let blocks: LayerRange
    let key: SecretKey
    /// `host:port` of its gRPC service.
    let peer: String

    var agent: Address { key.address }
  }

  let modelPath: String
  let checkpoint: Checkpoint
  let chain: ServiceProcess
  let chainURL: String
  let oracle: ServiceProcess
  let oracleURL: String
  let nodes: [Node]

  var processes: [ServiceProcess] { [chain, oracle] + nodes.map(\.process) }
}
