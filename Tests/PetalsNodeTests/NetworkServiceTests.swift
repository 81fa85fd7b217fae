import Bloom
import EthereumPrimitives
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2
import InferenceMetrics
import PetalsNode
import PipelineRPC
import Testing
import TorchArchive

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
      // The last node counts the token, the one before it a request alone.
      #expect(nodes.map { $0.metrics.snapshot.totalTokens } == [0, 1])
      #expect(nodes.map { $0.metrics.snapshot.totalRequests } == [1, 1])
    }
  }

  @Test("What is 0 has the network's default, and no sampling means the likeliest token")
  func defaults() async throws {
    let input = try model.hidden("case2.embeddings")
    let first = try model.ids("case2.generated_ids")[0]
    try await withNodes(of: model, cuts: []) { nodes in
      try await withRawClient(of: nodes[0]) { client in
        let service = Service(wrapping: client)
        var request = request(input, batched: true)
        #expect(try await service.forwardPass(request).nextTokenID == first)
        // The penalty is 1.2 where it is 0, and counts for ids that are there.
        request.pastTokenIds = [first]
        let penalised = try await service.forwardPass(request).nextTokenID
        request.params.repetitionPenalty = 1.2
        #expect(try await service.forwardPass(request).nextTokenID == penalised)
        // The temperature is 0.7 where it is 0: other tokens than the likeliest are drawn.
        request.pastTokenIds = []
        request.params = .init()
        request.params.doSample = true
        request.params.topP = 1
        var drawn: Set<Int32> = []
        for _ in 0..<100 where drawn.count < 2 {
          let answer = try await service.forwardPass(request)
          try #require(answer.success, "\(answer.error)")
          drawn.insert(answer.nextTokenID)
        }
        #expect(drawn.count == 2)
      }
    }
  }

  @Test("bfloat16 goes in and comes out as an archive, whose own shape counts")
  func archives() async throws {
    let input = try model.hidden("case2.embeddings")
    try await withNodes(of: model, cuts: [12]) { nodes in
      let plain = try await nodes[0].transport.forward(
        InferenceFormat.bfloat16.rounded(input), through: model.served(0..<12))
      try await withRawClient(of: nodes[0]) { client in
        let service = Service(wrapping: client)
        var request = request(input, batched: true)
        request.dtype = "bfloat16"
        request.hiddenStates = Data(TorchArchive(shape: [1, 7, 64], values: input.values).bytes)
        request.shape = [9, 9, 9, 9]
        let response = try await service.forwardPass(request)
        #expect(response.success, "\(response.error)")
        #expect(response.dtype == "bfloat16" && response.shape == [1, 7, 64])
        let archive = try TorchArchive(parsing: [UInt8](response.hiddenStates))
        #expect(archive.shape == [1, 7, 64])
        #expect(archive.values.map(\.bfloat16) == plain.values.map(\.bfloat16))
        request.hiddenStates = Data(
          TorchArchive(shape: [7, 63], values: .init(repeating: 1, count: 441)).bytes)
        #expect(try await service.forwardPass(request).error.contains("hidden size is 64"))
        request.hiddenStates = Data(
          TorchArchive(shape: [1, 64], values: .init(repeating: .infinity, count: 64)).bytes)
        #expect(try await service.forwardPass(request).error.contains("value 0 is infinite"))
        request.hiddenStates = Data("PK".utf8)
        #expect(try await service.forwardPass(request).error.contains("torch.save archive"))
      }
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
          if index == 0 {
            #expect(
              response.error
                == "Unsupported dtype 'int8'. Supported: ['bfloat16', 'float16', 'float32']")
          }
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

@Suite("Tensors on the wire", .timeLimit(.minutes(5)))
struct WireTensorTests {
  @Test("float32 is little-endian and comes back bit for bit")
  func float32() throws {
    let values: [Float] = [1, -2.5, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 0]
    let bytes = TensorBytes.encode(values, as: .float32)
    #expect(Array(bytes.prefix(8)) == [0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0])
    #expect(try TensorBytes.decode(bytes, as: .float32, count: 5) == values)
  }

  @Test("float16 is little-endian and rounds to nearest")
  func float16() throws {
    let bytes = TensorBytes.encode([1, -2.5, 1.0009765625 + 0.0001], as: .float16)
    #expect(Array(bytes) == [0, 0x3c, 0, 0xc1, 1, 0x3c])
    #expect(
      try TensorBytes.decode(bytes, as: .float16, count: 3) == [1, -2.5, 1.0009765625])
  }

  @Test("Bytes that start anywhere in memory are read")
  func unaligned() throws {
    let bytes = Data([9]) + TensorBytes.encode([3, 4], as: .float32)
    #expect(try TensorBytes.decode(bytes.dropFirst(), as: .float32, count: 2) == [3, 4])
  }

  @Test(
    "Peers are read as host and port",
    arguments: [
      ("127.0.0.1:31330", "127.0.0.1", 31330), ("node-a:1", "node-a", 1),
      ("[::1]:65535", "::1", 65535),
    ])
  func peers(text: String, host: String, port: Int) throws {
    let peer = try PeerAddress(parsing: text)
    #expect(peer.host == host && peer.port == port)
    #expect(peer.description == text)
  }

  @Test(
    "What is no peer is refused",
    arguments: ["", "host", "host:", "host:0", "host:65536", ":80", "::1:80", "a b:80", "host:x"])
  func noPeers(text: String) {
    #expect(throws: PeerAddressError.self) { try PeerAddress(parsing: text) }
  }

  @Test("A value that is not finite in the format of the answer is found before it is sent")
  func notFinite() throws {
    func first(_ values: [Float], _ type: TensorDataType) throws -> Int? {
      let shape = try TensorShape(dimensions: [1, Int64(values.count)], hidden: values.count)
      return PetalsTensor(shape: shape, format: type, values: values).firstNotFinite
    }
    #expect(try first([1, 65_504, -65_519], .float16) == nil)
    #expect(try first([1, 65_520], .float16) == 1)
    #expect(try first([-1e30, 1], .float16) == 0)
    #expect(try first([1, -1e30], .float32) == nil)
    // The half above the greatest bfloat16 rounds up.
    let archived = InferenceTensor(
      shape: TensorShape(tokens: 1, hidden: 2), format: .bfloat16,
      values: [Float(bitPattern: 0x7f7f_7fff), -Float(bitPattern: 0x7f7f_8000)])
    #expect(archived.firstNotFinite == 1)
    for type in TensorDataType.allCases {
      #expect(try first([1, 2, .nan], type) == 2)
      #expect(try first([-.infinity, 2], type) == 0)
    }
  }
}
