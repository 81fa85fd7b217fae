import Bloom
import EthereumPrimitives
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2
import PetalsNode
import PipelineRPC
import Testing

@Suite("The network's own gRPC service", .timeLimit(.minutes(5)))
struct NetworkServiceTests {
  typealias Service = Plumise_Inference_InferencePipeline.Client<HTTP2ClientTransport.Posix>
  let model: TinyModel

  init() throws { model = try TinyModel() }

  private func request(_ hidden: HiddenStates, batched: Bool) -> Plumise_Inference_ForwardRequest {
    let shape = TensorShape(tokens: hidden.tokens, hidden: hidden.hidden, isBatched: batched)
    var request = Plumise_Inference_ForwardRequest()
    request.requestID = "r1"
    request.hiddenStates = TensorBytes.encode(hidden.values, as: .float32)
    request.shape = shape.dimensions
    request.dtype = "float32"
    request.params.temperature = 0
    return request
  }

  @Test("Layer information and ping tell range and address")
  func description() async throws {
    let agent = try Address("0x" + String(repeating: "ab", count: 20))
    try await withNodes(of: model, cuts: [12], configure: { $0.agent = agent }) { nodes in
      try await withRawClient(of: nodes[1]) { client in
        let service = Service(wrapping: client)
        let layers = try await service.getLayerInfo(Plumise_Inference_Empty())
        #expect(layers.modelName == model.checkpoint.name)
        #expect(layers.layerStart == 12 && layers.layerEnd == 24 && layers.totalLayers == 24)
        #expect(layers.device == "cpu")
        #expect(layers.isReady)
        let ping = try await service.ping(Plumise_Inference_Empty())
        #expect(ping.agentAddress == agent.checksummed)
        #expect(ping.layerStart == 12 && ping.layerEnd == 24)
        #expect(ping.isReady)
      }
    }
  }

  @Test("A pass through both nodes chooses the reference's next token", arguments: [true, false])
  func pass(batched: Bool) async throws {
    let expected = try model.ids("case2.generated_ids")
    try await withNodes(of: model, cuts: [12]) { nodes in
      let first = try await withRawClient(of: nodes[0]) { client in
        try await Service(wrapping: client).forwardPass(
          request(model.hidden("case2.embeddings"), batched: batched))
      }
      #expect(first.success, "\(first.error)")
      #expect(first.requestID == "r1")
      #expect(first.shape == (batched ? [1, 7, 64] : [7, 64]))
      #expect(first.numTokens == 0)
      let second = try await withRawClient(of: nodes[1]) { client in
        var request = Plumise_Inference_ForwardRequest()
        request.hiddenStates = first.hiddenStates
        request.shape = first.shape
        request.dtype = first.dtype
        request.params.temperature = 0
        request.params.repetitionPenalty = 1
        request.metadata.isLast = true
        request.attentionMask = Data(repeating: 1, count: 7)
        request.attentionMaskShape = [1, 7]
        return try await Service(wrapping: client).forwardPass(request)
      }
      #expect(second.success, "\(second.error)")
      #expect(second.nextTokenID == expected[0])
      #expect(second.numTokens == 1)
      #expect(!second.isEos)
      for node in nodes { #expect(node.metrics.snapshot.totalTokens == 1) }
    }
  }

  @Test("Half precision goes in and comes out")
  func halfPrecision() async throws {
    let input = try model.hidden("case2.embeddings")
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await withRawClient(of: nodes[0]) { client in
        var request = request(input, batched: false)
        request.dtype = "float16"
        request.hiddenStates = TensorBytes.encode(input.values, as: .float16)
        let response = try await Service(wrapping: client).forwardPass(request)
        #expect(response.success, "\(response.error)")
        #expect(response.dtype == "float16")
        #expect(response.hiddenStates.count == 7 * 64 * 2)
      }
    }
  }

  @Test("What cannot be passed is said in the answer")
  func refusals() async throws {
    let input = try model.hidden("case1.embeddings")
    let changes: [(inout Plumise_Inference_ForwardRequest) -> Void] = [
      { $0.dtype = "int8" },
      { $0.shape = [2, 63] },
      { $0.hiddenStates.removeLast() },
      { $0.metadata.isLast = true },
      { $0.metadata.nextNodeEndpoint = "127.0.0.1:1" },
      {
        $0.attentionMask = Data([1, 0])
        $0.attentionMaskShape = [1, 2]
      },
      { $0.hiddenStates = Data() },
    ]
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await withRawClient(of: nodes[0]) { client in
        for (index, change) in changes.enumerated() {
          var request = request(input, batched: false)
          change(&request)
          let response = try await Service(wrapping: client).forwardPass(request)
          #expect(!response.success, "change \(index)")
          #expect(!response.error.isEmpty)
          #expect(response.requestID == "r1")
        }
      }
      #expect(nodes[0].metrics.snapshot.totalRequests == 0)
    }
  }

  @Test("A stream of chunks is the text, and the last one says why it ended")
  func stream() async throws {
    try await withNodes(of: model, cuts: []) { nodes in
      try await withRawClient(of: nodes[0]) { client in
        var request = Plumise_Inference_ForwardRequest()
        request.requestID = "r2"
        request.metadata.originalPrompt = "Hello"
        request.params.maxNewTokens = 6
        let service = Service(wrapping: client)
        let whole = try await service.forwardPass(request)
        #expect(whole.success, "\(whole.error)")
        let chunks = try await service.forwardPassStream(request) { response in
          try await response.messages.reduce(into: [Plumise_Inference_TokenChunk]()) {
            $0.append($1)
          }
        }
        #expect(chunks.map(\.tokenText).joined() == whole.generatedText)
        #expect(chunks.allSatisfy { $0.requestID == "r2" })
        #expect(chunks.dropLast().allSatisfy { !$0.isFinished })
        #expect(chunks.last?.isFinished == true)
        #expect(chunks.last?.finishReason == (whole.isEos ? "eos" : "length"))
      }
    }
  }
}
