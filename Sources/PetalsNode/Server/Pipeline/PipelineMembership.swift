import EthereumPrimitives
import PlumiseWire
import Synchronization

/// A node's place in the pipeline of its model, as a topology lists it.
struct PipelinePlace: Hashable, Sendable {
  /// 0 for the node that clients ask.
  let order: Int
  /// All nodes listed, also such as serve the whole model by themselves.
  let totalNodes: Int
  /// The node that comes next; nil behind the last.
  let next: PipelineNode?
  /// The endpoint of the node that comes after that; empty when there is none.
  let endpointAfterNext: String

  /// The place of an agent; nil where it is not listed.
  init?(of agent: Address, in nodes: [PipelineNode]) {
    guard let own = nodes.first(where: { $0.nodeAddress.lowercased() == agent.lowercaseHex })
    else { return nil }
    func node(at order: Int) -> PipelineNode? { nodes.first { $0.pipelineOrder == order } }
    order = own.pipelineOrder
    totalNodes = nodes.count
    next = node(at: own.pipelineOrder + 1)
    endpointAfterNext = node(at: own.pipelineOrder + 2)?.grpcEndpoint ?? ""
  }
}

/// What a node learnt of its pipeline, from one topology after another.
final class PipelineMembership: Sendable {
  private struct State: Sendable {
    var atStart: PipelinePlace?
    var latest: PipelinePlace?
    var hasTopology = false
  }

  let profile: AgentProfile
  private let agent: Address?
  private let state = Mutex(State())

  init(agent: Address?, profile: AgentProfile) {
    self.agent = agent
    self.profile = profile
  }

  /// Takes a topology; the first one is that of the node's start.
  ///
  /// Nodes with numbers that no topology can have are left out.
  func follow(_ nodes: [PipelineNode]) {
    let nodes = nodes.filter(\.hasPossibleNumbers)
    let place = agent.flatMap { PipelinePlace(of: $0, in: nodes) }
    state.withLock { state in
      if !state.hasTopology { state.atStart = place }
      state.hasTopology = true
      state.latest = place
    }
  }

  /// Whether the node was told of a pipeline, though it may not be in it.
  var hasTopology: Bool { state.withLock { $0.hasTopology } }

  /// The node's place in the latest topology; nil where it is not listed.
  var place: PipelinePlace? { state.withLock { $0.latest } }

  /// The node to which a pass is handed on.
  ///
  /// An agent of today looks for it once, when it starts; the repaired one follows the topology.
  var next: PipelineNode? {
    state.withLock { profile == .faithful ? $0.atStart : $0.latest }?.next
  }
}

/// How a node behaves in `plumise.inference`, where the network's agents have known faults.
public enum AgentProfile: String, Hashable, Sendable, CaseIterable {
  /// With their faults repaired, as NodeProtocol.md lists them.
  case fixed
  /// As the network's agents are today.
  case faithful
}

/// The formats in which a node may send hidden states down a pipeline of agents.
public enum PipelineTensorFormat: String, Hashable, Sendable, CaseIterable {
  /// The upper half of a binary32, in an archive of `torch.save`: what agents on CPUs send.
  case bfloat16
  /// IEEE 754 binary16.
  case float16
  /// IEEE 754 binary32.
  case float32
}

extension PeerAddress {
  /// Reads an endpoint of a topology: `host:port`, with or without a scheme in front.
  ///
  /// The oracle takes URLs alone, gRPC's clients take none.
  /// - Throws: ``PeerAddressError``, also for the endpoint of a node that serves by itself
  ///   (`standalone://`).
  init(agentEndpoint text: String) throws(PeerAddressError) {
    var rest = text[...]
    for scheme in ["http://", "https://", "grpc://"] where rest.lowercased().hasPrefix(scheme) {
      rest = rest.dropFirst(scheme.count)
      break
    }
    if rest.hasSuffix("/") { rest = rest.dropLast() }
    try self.init(parsing: rest)
  }
}
