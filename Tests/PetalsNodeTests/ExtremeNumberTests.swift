import Bloom
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2
import PetalsNode
import PipelineRPC
import PlumiseTesting
import Synchronization
import Testing

/// Numbers at the edges of a type: 0, 1, each power of two, their neighbours, and all of it negative.
enum Extremes {
  static func of<Number: FixedWidthInteger>(_ type: Number.Type) -> [Number] {
    var numbers: Set<Number> = [.min, .max, 0]
    for bit in 0..<Number.bitWidth {
      let power = Number(1) << bit
      for near in [power &- 1, power, power &+ 1] {
        numbers.insert(near)
        if Number.isSigned { numbers.insert(0 &- near) }
      }
    }
    return numbers.sorted()
  }

  /// Every twelfth power of two, and the numbers around which something changes.
  static let floats: [Float] = {
    let powers = stride(from: -149, through: 127, by: 12).map {
      Float(sign: .plus, exponent: $0, significand: 1)
    }
    let edges: [Float] = [
      0, 0.5, 1, 2, Float(1).nextUp, Float(1).nextDown, Float(2).nextUp, Float(2).nextDown,
      .leastNonzeroMagnitude, .greatestFiniteMagnitude, .infinity,
    ]
    return (powers + edges).flatMap { [$0, -$0] } + [.nan, .signalingNaN]
  }()
}

@Suite("Extreme numbers in messages", .timeLimit(.minutes(5)))
struct ExtremeNumberTests {
  typealias Node = Plumise_Petals_PetalsNode.Client<HTTP2ClientTransport.Posix>
  typealias Pipeline = Plumise_Inference_InferencePipeline.Client<HTTP2ClientTransport.Posix>
  typealias Kind = Plumise_Petals_SessionRequest.OneOf_Kind

  let model: TinyModel

  init() throws { model = try TinyModel() }

  /// What is said of a field, as a refusal; nil when the message was taken.
  private static func refusal(_ call: () async throws -> Void) async -> RPCError? {
    do {
      try await call()
      return nil
    } catch let error as RPCError {
      return error
    } catch {
      Issue.record("\(error)")
      return nil
    }
  }

  /// Sends requests on one stream and reads to its end.
  private static func converse(_ node: Node, _ kinds: [Kind]) async -> RPCError? {
    await refusal {
      try await node.session { writer in
        for kind in kinds {
          var request = Plumise_Petals_SessionRequest()
          request.kind = kind
          try await writer.write(request)
        }
      } onResponse: { response in
        for try await _ in response.messages {}
      }
    }
  }

  private static func opening(_ length: Int32 = 8) -> Plumise_Petals_SessionOpen {
    var open = Plumise_Petals_SessionOpen()
    open.maximumLength = length
    return open
  }

  private static func step(from start: Int32? = nil) -> Plumise_Petals_SessionStep {
    var step = Plumise_Petals_SessionStep()
    step.hiddenStates = .init([1, 64])
    if let start { step.startFromPosition = start }
    return step
  }

  private func withNode(_ body: (Node, Pipeline) async throws -> Void) async throws {
    try await withNodes(of: model, cuts: []) { nodes in
      try await withRawClient(of: nodes[0]) { client in
        try await body(Node(wrapping: client), Pipeline(wrapping: client))
        // It lives, and holds nothing.
        let info = try await Node(wrapping: client).info(.init())
        #expect(info.ready)
      }
      try await nodes[0].waitUntilIdle()
    }
  }

  @Test("A session's lengths, blocks and positions are taken within limits, or refused by name")
  func sessions() async throws {
    try await withNode { node, _ in
      for number in Extremes.of(Int32.self) {
        let length = await Self.converse(node, [.open(Self.opening(number))])
        #expect((length == nil) == (1...2048).contains(number), "maximum_length \(number)")
        if let length {
          #expect(length.message.contains("\(number) tokens"), "\(length)")
          #expect(length.message.contains("1 to 2048"), "\(length)")
        }
        for (lower, upper) in [(number, 24), (0, number), (number, number)] as [(Int32, Int32)] {
          var open = Self.opening()
          open.blocks.lower = lower
          open.blocks.upper = upper
          let error = await Self.converse(node, [.open(open)])
          let isTaken = lower >= 0 && lower < upper && upper <= 24
          #expect((error == nil) == isTaken, "blocks \(lower) to \(upper)")
          if let error { #expect(error.message.contains("blocks"), "\(error)") }
        }
        let start = await Self.converse(
          node, [.open(Self.opening()), .step(Self.step()), .step(Self.step(from: number))])
        #expect((start == nil) == (0...1).contains(number), "start_from_position \(number)")
        if let start { #expect(start.message.contains("position \(number)"), "\(start)") }
      }
    }
  }

  @Test("A summary's numbers and a step's are taken, or refused by name")
  func summaries() async throws {
    try await withNode { node, _ in
      for number in Extremes.of(UInt64.self) {
        var step = Self.step()
        step.stepID = number
        var finish = Plumise_Petals_SessionFinish()
        finish.generatedTokens = number
        let tokens = await Self.converse(
          node, [.open(Self.opening()), .step(step), .finish(finish)])
        #expect((tokens == nil) == (number <= 1), "generated_tokens \(number)")
        if let tokens {
          #expect(tokens.message.contains("\(number)"), "\(tokens)")
          #expect(tokens.message.contains("generated"), "\(tokens)")
        }
        finish.generatedTokens = 1
        finish.latencyMicroseconds = number
        let latency = await Self.converse(
          node, [.open(Self.opening()), .step(step), .finish(finish)])
        #expect((latency == nil) == (number <= Int64.max), "latency_microseconds \(number)")
        if let latency { #expect(latency.message.contains("latency_microseconds"), "\(latency)") }
      }
    }
  }

  @Test("A tensor's shape and type are taken, or refused by name")
  func tensors() async throws {
    try await withNode { node, pipeline in
      for number in Extremes.of(Int64.self) {
        for shape in [[number, 64], [1, number], [number, 1, 64]] {
          let isTaken = shape == [1, 64] || shape == [1, 1, 64]
          var forward = Plumise_Petals_ForwardRequest()
          forward.hiddenStates = .init([1, 64])
          forward.hiddenStates.shape = shape
          let error = await Self.refusal { _ = try await node.forward(forward) }
          #expect((error == nil) == isTaken, "\(shape)")
          if let error { #expect(error.message.hasPrefix("hidden_states: "), "\(error)") }
          var pass = Plumise_Inference_ForwardRequest()
          pass.hiddenStates = Data(count: 256)
          pass.shape = shape
          pass.dtype = "float32"
          let answer = try await pipeline.forwardPass(pass)
          #expect(answer.success == isTaken, "\(shape): \(answer.error)")
          #expect(isTaken || answer.error.hasPrefix("hidden_states: "), "\(answer.error)")
          pass.shape = [1, 64]
          pass.attentionMask = Data([1])
          pass.attentionMaskShape = shape
          let masked = try await pipeline.forwardPass(pass)
          #expect(masked.success == shape.allSatisfy { $0 == 1 }, "mask \(shape): \(masked.error)")
          #expect(masked.success || masked.error.hasPrefix("attention_mask: "), "\(masked.error)")
        }
      }
      for number in Extremes.of(Int32.self) where ![1, 2].contains(number) {
        var forward = Plumise_Petals_ForwardRequest()
        forward.hiddenStates = .init([1, 64])
        forward.hiddenStates.dtype = .UNRECOGNIZED(Int(number))
        let error = await Self.refusal { _ = try await node.forward(forward) }
        #expect(error?.message.contains("dtype") == true, "\(number)")
      }
    }
  }

  @Test("A negative size makes no mask, though two of them make a positive product")
  func negativeMask() async throws {
    try await withNode { _, pipeline in
      var pass = Plumise_Inference_ForwardRequest()
      pass.hiddenStates = Data(count: 256)
      pass.shape = [1, 64]
      pass.dtype = "float32"
      pass.attentionMask = Data([1])
      pass.attentionMaskShape = [-1, -1]
      let answer = try await pipeline.forwardPass(pass)
      #expect(answer.error.hasPrefix("attention_mask: "), "\(answer.error)")
    }
  }

  @Test("Parameters of a choice are taken within their limits, or refused by name")
  func parameters() async throws {
    try await withNode { _, pipeline in
      var last = Plumise_Inference_ForwardRequest()
      last.hiddenStates = Data(count: 256)
      last.shape = [1, 64]
      last.dtype = "float32"
      last.metadata.isLast = true
      func expect(
        _ field: String, _ isTaken: Bool, _ change: (inout Plumise_Inference_ForwardRequest) -> Void
      ) async throws {
        var request = last
        change(&request)
        let answer = try await pipeline.forwardPass(request)
        #expect(answer.success == isTaken, "\(field): \(answer.error)")
        #expect(isTaken || answer.error.contains(field), "\(answer.error)")
      }
      for number in Extremes.floats {
        for samples in [true, false] {
          try await expect("params.temperature", (0...2).contains(number)) {
            $0.params.temperature = number
            $0.params.doSample = samples
          }
          try await expect("params.top_p", (0...1).contains(number)) {
            $0.params.topP = number
            $0.params.doSample = samples
          }
          try await expect(
            "params.repetition_penalty", number == 0 || (1...2).contains(number)
          ) {
            $0.params.repetitionPenalty = number
            $0.params.doSample = samples
          }
        }
      }
      for number in Extremes.of(Int32.self) {
        try await expect("past_token_ids", true) {
          $0.params.repetitionPenalty = 2
          $0.pastTokenIds = [number]
        }
        try await expect("metadata", true) {
          $0.metadata.totalNodes = number
          $0.metadata.nodeIndex = number
        }
        guard !(0...64).contains(number) else { continue }
        var text = Plumise_Inference_ForwardRequest()
        text.metadata.originalPrompt = "a"
        text.params.maxNewTokens = number
        // 2048 is the model's limit for prompt and new tokens together.
        guard !(65...2047).contains(number) else { continue }
        let answer = try await pipeline.forwardPass(text)
        #expect(!answer.success, "\(number)")
        #expect(
          answer.error.contains("max_new_tokens is \(number): send 1 to 4096")
            || answer.error.contains("\(number) new ones go beyond the 2048"), "\(answer.error)")
      }
    }
  }

  @Test("A call may set any deadline")
  func deadlines() async throws {
    try await withNode { node, _ in
      for timeout in [Duration.nanoseconds(1), .seconds(1 << 32), .seconds(359_999_996_400)] {
        var options = CallOptions.defaults
        options.timeout = timeout
        // The client may give up, the node must not.
        _ = await Self.refusal { _ = try await node.info(.init(), options: options) }
      }
    }
  }

  @Test("What a peer says of itself in extreme numbers is refused, or taken")
  func peers() async throws {
    let peer = SayingPeer(model)
    try await withGRPCServer(peer) { address in
      try await withGRPCTransports([address]) { transports in
        func ask(_ change: (inout Plumise_Petals_InfoResponse) -> Void) async throws -> Bool {
          peer.info.withLock { change(&$0) }
          defer { peer.info.withLock { $0 = SayingPeer.description(of: model) } }
          do {
            _ = try await withPipelineClient(model.ends, transports: transports) { $0.route }
            return true
          } catch let error as RouteError {
            #expect("\(error)".contains("\(address.port)"), "\(error)")
            return false
          }
        }
        #expect(try await ask { _ in })
        for number in Extremes.of(Int32.self) {
          #expect(try await ask { $0.totalBlocks = number } == (number == 24), "\(number)")
          #expect(try await ask { $0.hiddenSize = number } == (number == 64), "\(number)")
          #expect(try await ask { $0.maximumLength = number } == (number > 0), "\(number)")
          #expect(try await ask { $0.blocks.lower = number } == (number == 0), "\(number)")
          #expect(try await ask { $0.blocks.upper = number } == (number == 24), "\(number)")
        }
        for number in Extremes.of(UInt64.self) {
          let isTaken = try await ask {
            $0.uptimeMilliseconds = number
            $0.blockStepNanoseconds = number
            $0.cache.usedBytes = number
            $0.cache.budgetBytes = number
            $0.cache.bytesPerToken = number
            $0.cache.sessions = UInt32(truncatingIfNeeded: number)
          }
          #expect(isTaken, "\(number)")
          peer.number.withLock { $0 = number }
          let hidden = try model.hidden("case2.embeddings").slice(0..<1)
          let session = try await transports[0].openSession(model.opening(0..<24, length: 2))
          let answer = try await session.step(hidden)
          #expect(answer.position == Int(Int32(truncatingIfNeeded: number)))
          #expect(answer.computeTime == .nanoseconds(Int64(clamping: number)))
          let summary = try SessionSummary(generatedTokens: 0, latency: .zero)
          #expect(try await session.finish(summary) == Int(clamping: number))
        }
      }
    }
  }

  @Test("A node may be told any length and any budget")
  func configurations() async throws {
    for length in Extremes.of(Int.self) where length > 0 {
      let configuration = NodeConfiguration(checkpoint: model.checkpoint, maximumLength: length)
      #expect(configuration.cacheBudget >= 2 << 30)
      #expect((64 << 20...Int(Int32.max)).contains(configuration.largestRequest))
    }
    var configuration = NodeConfiguration(checkpoint: model.checkpoint, maximumLength: .max)
    configuration.cacheBudget = 1 << 20
    try await withPetalsNode(configuration) { node in
      try await withRawClient(of: node) { client in
        let service = Node(wrapping: client)
        let info = try await service.info(.init())
        #expect(info.maximumLength == .max)
        let error = await Self.converse(service, [.open(Self.opening(.max))])
        #expect(error?.code == .resourceExhausted)
        #expect(error?.message.contains("for 2147483647 tokens") == true)
      }
    }
  }
}
