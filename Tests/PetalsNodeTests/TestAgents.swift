import Bloom
import EthereumPrimitives
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2
import MockServing
import PetalsNode
import PipelineRPC
import PlumiseWire
import TestSupport
import Testing

typealias AgentService = Plumise_Inference_InferencePipeline.Client<HTTP2ClientTransport.Posix>

/// Runs a body with nodes that are agents of one pipeline, each with an HTTP API, and with the
/// topology that lists them.
///
/// - Parameters:
///   - api: How each node answers as an agent over HTTP, if it does.
///   - follows: Whether the nodes have been told of the topology when the body begins.
func withAgents<Result: Sendable>(
  of model: TinyModel, cuts: [Int], profile: AgentProfile = .fixed,
  format: PipelineTensorFormat = .float32, api: AgentAPISettings? = nil, follows: Bool = true,
  _ body: ([PetalsNode], [PipelineNode]) async throws -> Result
) async throws -> Result {
  var count: UInt8 = 0
  return try await withNodes(
    of: model, cuts: cuts,
    configure: {
      count += 1
      $0.agent = .precompile(count)
      $0.http = .init()
      $0.agentAPI = api
      $0.agentProfile = profile
      $0.pipelineFormat = format
    }
  ) { nodes in
    let topology = try nodes.enumerated().map { try $1.listed(at: $0) }
    if follows { for node in nodes { node.follow(topology) } }
    return try await body(nodes, topology)
  }
}

extension PetalsNode {
  /// The node as a topology lists it.
  func listed(at order: Int) throws -> PipelineNode {
    PipelineNode(
      nodeAddress: try #require(configuration.agent).lowercaseHex,
      grpcEndpoint: "http://\(try boundAddress)",
      httpEndpoint: "http://\(try #require(httpAddress))",
      layerStart: configuration.blocks.lowerBound, layerEnd: configuration.blocks.upperBound,
      pipelineOrder: order, ready: true)
  }

  /// Has the node run one pass.
  func pass(
    _ request: Plumise_Inference_ForwardRequest
  ) async throws -> Plumise_Inference_ForwardResponse {
    try await withRawClient(of: self) { client in
      try await AgentService(wrapping: client).forwardPass(request)
    }
  }
}

extension Plumise_Inference_ForwardRequest {
  /// A pass as a first node sends it: greedy, without a penalty.
  init(
    _ hidden: HiddenStates, format: InferenceFormat = .float32, of nodes: Int, to index: Int
  ) {
    self.init()
    let tensor = InferenceTensor(
      shape: TensorShape(tokens: hidden.tokens, hidden: hidden.hidden, isBatched: true),
      format: format, values: hidden.values)
    requestID = "0123456789abcdef0123456789abcdef_s0"
    hiddenStates = tensor.data
    shape = tensor.shape.dimensions
    dtype = format.rawValue
    params.maxNewTokens = 8
    params.repetitionPenalty = 1
    metadata.totalNodes = Int32(nodes)
    metadata.nodeIndex = Int32(index)
    metadata.isLast = index == nodes - 1
    metadata.requesterAddress = Address.precompile(7).checksummed
    metadata.originalPrompt = "a prompt"
    metadata.nextNodeEndpoint = index + 1 < nodes ? "http://127.0.0.1:1" : ""
  }
}

extension InferenceFormat {
  /// What is left of hidden states after they crossed the wire in this format.
  func rounded(_ hidden: HiddenStates) throws -> HiddenStates {
    let shape = TensorShape(tokens: hidden.tokens, hidden: hidden.hidden)
    let sent = InferenceTensor(shape: shape, format: self, values: hidden.values)
    let arrived = try InferenceTensor(
      data: sent.data, dimensions: shape.dimensions, format: self, hidden: hidden.hidden)
    return try HiddenStates(tokens: hidden.tokens, hidden: hidden.hidden, values: arrived.values)
  }
}

/// The ids that a pipeline of these nodes gives greedily: each node's own arithmetic, without
/// `plumise.inference` between them, and rounding where hidden states cross the wire.
func referenceIDs(
  _ prompt: [Int32], count: Int, through nodes: [PetalsNode], of model: TinyModel,
  format: InferenceFormat, penalty: Float = 1
) async throws -> [Int32] {
  let ends = try model.ends
  var sampler = Sampler(try SamplingParameters(repetitionPenalty: penalty))
  var generated: [Int32] = []
  while generated.count < count {
    var hidden = try ends.embed(prompt + generated)
    for (index, node) in nodes.enumerated() {
      let blocks = node.configuration.blocks.indices
      hidden = try await node.transport.forward(hidden, through: model.served(blocks))
      if index + 1 < nodes.count { hidden = try format.rounded(hidden) }
    }
    let scores = try await ends.logits(hidden, lastOnly: true)
    let id = try sampler.choose(logits: scores.row(0), context: generated)
    if model.checkpoint.configuration.endsSequence(id) { break }
    generated.append(id)
  }
  return generated
}

/// An agent that keeps what it is sent and gives one answer.
final class RecordingAgent: Plumise_Inference_InferencePipeline.SimpleServiceProtocol {
  let requests = Journal<Plumise_Inference_ForwardRequest>()
  /// It answers once something is recorded here.
  let gate = Journal<Bool>()
  private let answer: Plumise_Inference_ForwardResponse

  init(_ answer: Plumise_Inference_ForwardResponse, isOpen: Bool = true) {
    self.answer = answer
    if isOpen { gate.record(true) }
  }

  func forwardPass(
    request: Plumise_Inference_ForwardRequest, context: ServerContext
  ) async throws -> Plumise_Inference_ForwardResponse {
    requests.record(request)
    _ = try await gate.next()
    return answer
  }

  func forwardPassStream(
    request: Plumise_Inference_ForwardRequest,
    response: RPCWriter<Plumise_Inference_TokenChunk>, context: ServerContext
  ) async throws { throw RPCError(code: .unimplemented, message: "") }

  func getLayerInfo(
    request: Plumise_Inference_Empty, context: ServerContext
  ) async throws -> Plumise_Inference_LayerInfoResponse { .init() }

  func ping(
    request: Plumise_Inference_Empty, context: ServerContext
  ) async throws -> Plumise_Inference_PingResponse { .init() }
}
