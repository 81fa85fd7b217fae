import AsyncPrimitives
import Bloom
import GRPCCore
import PipelineRPC

/// The service `plumise.petals.PetalsNode`.
struct PetalsNodeService: Plumise_Petals_PetalsNode.SimpleServiceProtocol {
  let server: BlockServer
  let sessionIdleLimit: Duration
  /// Nil for a node that neither hands steps on nor takes them from other nodes.
  let handOver: HandOver?
  let clock: any Clock<Duration>

  func info(
    request: Plumise_Petals_InfoRequest, context: ServerContext
  ) async throws -> Plumise_Petals_InfoResponse {
    server.info.message
  }

  func forward(
    request: Plumise_Petals_ForwardRequest, context: ServerContext
  ) async throws -> Plumise_Petals_ForwardResponse {
    try await withRPCErrors {
      let hidden = try HiddenStates(
        request.hiddenStates, field: "hidden_states", hidden: server.model.hiddenSize)
      let output = try await server.forward(
        hidden, fingerprint: request.modelFingerprint.nonEmpty,
        blocks: request.hasBlocks ? request.blocks.range() : nil)
      var response = Plumise_Petals_ForwardResponse()
      response.hiddenStates = try output.answer(
        to: request.hiddenStates, field: "hidden_states")
      return response
    }
  }

  func backward(
    request: Plumise_Petals_BackwardRequest, context: ServerContext
  ) async throws -> Plumise_Petals_BackwardResponse {
    try await withRPCErrors {
      let size = server.model.hiddenSize
      let hidden = try HiddenStates(request.hiddenStates, field: "hidden_states", hidden: size)
      let gradient = try HiddenStates(
        request.outputGradient, field: "output_gradient", hidden: size)
      let output = try await server.backward(
        input: hidden, outputGradient: gradient,
        fingerprint: request.modelFingerprint.nonEmpty,
        blocks: request.hasBlocks ? request.blocks.range() : nil)
      var response = Plumise_Petals_BackwardResponse()
      response.inputGradient = try output.answer(
        to: request.hiddenStates, field: "input_gradient")
      return response
    }
  }

  func session(
    request: RPCAsyncSequence<Plumise_Petals_SessionRequest, any Error>,
    response: RPCWriter<Plumise_Petals_SessionResponse>, context: ServerContext
  ) async throws {
    try await withRPCErrors {
      let silence = Watchdog(limit: sessionIdleLimit, clock: clock)
      let handler = SessionStreamHandler(
        server: server, silence: silence, responses: response,
        handOver: handOver.map(SessionHandOver.init))
      try await unlessEnded(by: silence, alongside: handler) { try await handler.run(request) }
    }
  }

  func deliver(
    request: RPCAsyncSequence<Plumise_Petals_Delivery, any Error>,
    response: RPCWriter<Plumise_Petals_Delivered>, context: ServerContext
  ) async throws {
    try await withRPCErrors {
      guard let handOver else {
        throw NodeError(.unimplemented, "this node takes no steps from other nodes")
      }
      let silence = Watchdog(limit: sessionIdleLimit, clock: clock)
      try await unlessEnded(by: silence) {
        silence.begin()
        for try await delivery in request {
          silence.begin()
          let token = try DeliveryToken(delivery.token, field: "token")
          let session = try handOver.session(with: token)
          let step = try ReceivedStep(
            delivery.step, hidden: server.model.hiddenSize, handsOn: true)
          try session.deliver(step)
          // Where the step is computed on this thread, that comes first: nobody waits for the word.
          await Task.yield()
          var answer = Plumise_Petals_Delivered()
          answer.stepID = step.id
          try await response.write(answer)
        }
      }
    }
  }

  /// Runs a session, or a stream of steps for some, that ends at once when the node stops, or who sends it is
  /// silent for too long.
  private func unlessEnded(
    by silence: Watchdog, alongside handler: SessionStreamHandler? = nil,
    _ work: @escaping @Sendable () async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await work() }
      if let handler, let handOver = handler.handOver {
        group.addTask { try await handler.takeDelivered(handOver) }
        group.addTask { try await handler.tellRefusals(handOver) }
      }
      group.addTask {
        try await server.phase.wait { $0 >= .stopping }
        throw BlockServer.stopping
      }
      group.addTask {
        try await silence.overdue()
        throw NodeError(
          .deadlineExceeded, "the session was silent for \(sessionIdleLimit): open another one")
      }
      defer { group.cancelAll() }
      try await group.next()
    }
  }
}

extension String {
  /// Protobuf's empty string means that nothing was said.
  var nonEmpty: String? { isEmpty ? nil : self }
}
