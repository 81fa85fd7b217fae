import GRPCCore
import GRPCNIOTransportHTTP2
import PetalsNode
import PipelineRPC
import Testing

/// A tensor that a node refuses, and the words in which it does.
struct BadTensor: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let tensor: Plumise_Petals_Tensor
  let code: RPCError.Code
  let words: String

  init(
    _ name: String, _ tensor: Plumise_Petals_Tensor, _ code: RPCError.Code = .invalidArgument,
    _ words: String
  ) {
    testDescription = name
    self.tensor = tensor
    self.code = code
    self.words = words
  }

  static let all = [
    BadTensor("wrong hidden size", .init([1, 63]), "hidden size is 64, but the shape says 63"),
    BadTensor("no shape", .init([], values: []), "shape [] is not [tokens, hidden]"),
    BadTensor("one dimension", .init([64]), "shape [64]"),
    BadTensor("a batch of two", .init([2, 1, 64]), "shape [2, 1, 64]"),
    BadTensor("no token", .init([0, 64]), "shape [0, 64]"),
    BadTensor("a negative size", .init([-1, 64], values: []), "shape [-1, 64]"),
    BadTensor("a huge size", .init([1 << 40, 64], values: []), "shape [1099511627776, 64]"),
    BadTensor("too few bytes", .init([2, 64], bytes: 508), "512 bytes, but 508 came"),
    BadTensor("too many bytes", .init([1, 64], bytes: 260), "256 bytes, but 260 came"),
    BadTensor("no type", .init([1, 64], type: .unspecified), "dtype unspecified is unknown"),
    BadTensor("an unknown type", .init([1, 64], type: .UNRECOGNIZED(7)), "dtype number 7"),
    BadTensor(
      "half the bytes of its type", .init([1, 64], type: .float16), "128 bytes, but 256 came"),
    BadTensor(
      "not a number", .init([1, 64], values: Array(repeating: 0, count: 63) + [.nan]),
      "value 63 is infinite or not a number"),
    BadTensor(
      "an infinity", .init([1, 64], values: [.infinity] + Array(repeating: 0, count: 63)),
      "value 0 is infinite"),
    BadTensor("too many tokens", .init([2049, 64]), .outOfRange, "2049 tokens at once"),
  ]

  private init(_ name: String, _ tensor: Plumise_Petals_Tensor, _ words: String) {
    self.init(name, tensor, .invalidArgument, words)
  }
}

@Suite("Refusals of a node", .timeLimit(.minutes(5)))
struct RefusalTests {
  let model: TinyModel

  init() throws { model = try TinyModel() }

  @Test("A bad tensor is refused with its own status, in a pass and in a session")
  func tensors() async throws {
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await withRawClient(of: nodes[0]) { client in
        let service = Plumise_Petals_PetalsNode.Client(wrapping: client)
        for bad in BadTensor.all {
          var request = Plumise_Petals_ForwardRequest()
          request.hiddenStates = bad.tensor
          let pass = await #expect(throws: RPCError.self, "\(bad.testDescription)") {
            try await service.forward(request)
          }
          #expect(pass?.code == bad.code, "\(bad.testDescription): \(pass as Any)")
          #expect(pass?.message.contains(bad.words) == true, "\(pass as Any)")

          var step = Plumise_Petals_SessionRequest()
          step.step.hiddenStates = bad.tensor
          let session = await #expect(throws: RPCError.self, "\(bad.testDescription)") {
            try await talk(service, [.opening(length: 2048), step])
          }
          #expect(session?.code == bad.code, "\(bad.testDescription): \(session as Any)")
        }
      }
      try await nodes[0].waitUntilIdle()
      #expect(nodes[0].info.cache.usedBytes == 0)
    }
  }

  @Test("Another model, other blocks and blocks that run backwards are refused")
  func otherBlocks() async throws {
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await withRawClient(of: nodes[0]) { client in
        let service = Plumise_Petals_PetalsNode.Client(wrapping: client)
        for (fingerprint, blocks, code) in [
          ("beef", nil, .failedPrecondition), ("", (0, 24), .outOfRange),
          ("", (12, 24), .outOfRange), ("", (11, 13), .outOfRange), ("", (3, 3), .outOfRange),
          ("", (5, 3), .outOfRange),
          ("", (-1, 12), .outOfRange), ("", (0, 0), .outOfRange),
        ] as [(String, (Int32, Int32)?, RPCError.Code)] {
          var request = Plumise_Petals_ForwardRequest()
          request.modelFingerprint = fingerprint
          if let blocks {
            request.blocks.lower = blocks.0
            request.blocks.upper = blocks.1
          }
          request.hiddenStates = Plumise_Petals_Tensor([1, 64])
          let error = await #expect(throws: RPCError.self) { try await service.forward(request) }
          #expect(error?.code == code, "\(blocks as Any): \(error as Any)")

          var open = Plumise_Petals_SessionRequest.opening(length: 8)
          open.open.modelFingerprint = fingerprint
          if blocks != nil { open.open.blocks = request.blocks }
          let session = await #expect(throws: RPCError.self) { try await talk(service, [open]) }
          #expect(session?.code == code, "\(blocks as Any): \(session as Any)")
        }
      }
    }
  }

  @Test("A session out of order is refused")
  func order() async throws {
    var step = Plumise_Petals_SessionRequest()
    step.step.hiddenStates = Plumise_Petals_Tensor([1, 64])
    var finish = Plumise_Petals_SessionRequest()
    finish.finish.generatedTokens = 0
    var halfHashed = Plumise_Petals_SessionRequest()
    halfHashed.finish.inputHash = .init(repeating: 1, count: 32)
    let open = Plumise_Petals_SessionRequest.opening(length: 8)
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await withRawClient(of: nodes[0]) { client in
        let service = Plumise_Petals_PetalsNode.Client(wrapping: client)
        for (requests, code) in [
          ([step], .failedPrecondition), ([finish], .failedPrecondition),
          ([open, open], .failedPrecondition), ([open, finish, step], .failedPrecondition),
          ([open, finish, finish], .failedPrecondition),
          ([Plumise_Petals_SessionRequest()], .invalidArgument),
          ([open, halfHashed], .invalidArgument),
        ] as [([Plumise_Petals_SessionRequest], RPCError.Code)] {
          let error = await #expect(throws: RPCError.self) { try await talk(service, requests) }
          #expect(error?.code == code, "\(error as Any)")
        }
      }
      try await nodes[0].waitUntilIdle()
    }
  }

  @Test(
    "A message larger than the node takes is refused, and the node goes on",
    arguments: [
      (Plumise_Petals_Tensor([17, 64]), .outOfRange),
      (Plumise_Petals_Tensor([2048, 64]), .unavailable),
    ] as [(Plumise_Petals_Tensor, RPCError.Code)])
  func oversized(tensor: Plumise_Petals_Tensor, code: RPCError.Code) async throws {
    try await withNodes(
      of: model, cuts: [12],
      configure: {
        $0.maximumLength = 16
        $0.largestRequest = 1 << 18
      }
    ) { nodes in
      try await withRawClient(of: nodes[0]) { client in
        let service = Plumise_Petals_PetalsNode.Client(wrapping: client)
        var request = Plumise_Petals_ForwardRequest()
        request.hiddenStates = tensor
        let error = await #expect(throws: RPCError.self) { try await service.forward(request) }
        #expect(error?.code == code, "\(error as Any)")
        request.hiddenStates = Plumise_Petals_Tensor([16, 64])
        _ = try await service.forward(request)
      }
    }
  }

  /// Sends requests one after another, and reads until the node ends the call.
  private func talk(
    _ service: Plumise_Petals_PetalsNode.Client<HTTP2ClientTransport.Posix>,
    _ requests: [Plumise_Petals_SessionRequest]
  ) async throws {
    try await service.session { writer in
      for request in requests { try await writer.write(request) }
    } onResponse: { response in
      for try await _ in response.messages {}
    }
  }
}

extension Plumise_Petals_SessionRequest {
  static func opening(length: Int32) -> Self {
    var request = Self()
    request.open.sessionID = "raw"
    request.open.maximumLength = length
    return request
  }
}
