import AsyncPrimitives
import Bloom
import GRPCCore
import PipelineRPC

/// The service `plumise.petals.PetalsNode`.
struct PetalsNodeService: Plumise_Petals_PetalsNode.SimpleServiceProtocol {
  let server: BlockServer
  let sessionIdleLimit: Duration
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
      try await unlessEnded(by: silence) {
        try await SessionStreamHandler(server: server, silence: silence).run(request, response)
      }
    }
  }

  /// Runs a session that ends at once when the node stops, or its client is silent for too long.
  private func unlessEnded(
    by silence: Watchdog, _ work: @escaping @Sendable () async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await work() }
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

/// Handles one session stream: one open, steps, at most one finish.
struct SessionStreamHandler: Sendable {
  let server: BlockServer
  /// Runs while the node waits for its client: to read the last answer, and to ask again.
  let silence: Watchdog

  /// Answers requests until the stream ends; the session's memory is given back in any case.
  func run(
    _ requests: RPCAsyncSequence<Plumise_Petals_SessionRequest, any Error>,
    _ responses: RPCWriter<Plumise_Petals_SessionResponse>
  ) async throws {
    var session: ServedSession?
    defer { session?.release() }
    silence.begin()
    for try await request in requests {
      silence.end()
      let answer: Plumise_Petals_SessionResponse
      switch (request.kind, session) {
      case (.open(let open), nil):
        let opened = try self.open(open)
        session = opened
        answer = .opened(reservedBytes: opened.reservedBytes)
      case (.step(let step), let session?):
        answer = try await self.step(step, in: session)
      case (.finish(let finish), let session?):
        answer = .finished(processedTokens: try session.finish(finish.summary()))
      case (.open, _?):
        throw NodeError(.failedPrecondition, "the session is open already")
      case (.step, nil), (.finish, nil):
        throw NodeError(.failedPrecondition, "a session begins with open")
      case (nil, _):
        throw NodeError(.invalidArgument, "a session request is open, step or finish")
      }
      silence.begin()
      try await responses.write(answer)
    }
  }

  private func open(_ message: Plumise_Petals_SessionOpen) throws(NodeError) -> ServedSession {
    let opening = SessionOpening(
      id: message.sessionID, fingerprint: message.modelFingerprint.nonEmpty, blocks: nil,
      maximumLength: Int(message.maximumLength))
    let blocks = message.hasBlocks ? try message.blocks.range() : nil
    return try server.openSession(opening, blocks: blocks)
  }

  private func step(
    _ message: Plumise_Petals_SessionStep, in session: ServedSession
  ) async throws -> Plumise_Petals_SessionResponse {
    let hidden = try HiddenStates(
      message.hiddenStates, field: "hidden_states", hidden: server.model.hiddenSize)
    let start = message.hasStartFromPosition ? Int(message.startFromPosition) : nil
    let output = try await session.step(hidden, startFrom: start)
    var result = Plumise_Petals_SessionStepResult()
    result.stepID = message.stepID
    result.hiddenStates = try output.hidden.answer(
      to: message.hiddenStates, field: "hidden_states")
    result.position = Int32(clamping: output.position)
    result.computeNanoseconds = output.computeTime.wireNanoseconds
    var response = Plumise_Petals_SessionResponse()
    response.step = result
    return response
  }
}

extension Plumise_Petals_SessionResponse {
  static func opened(reservedBytes: Int) -> Self {
    var response = Self()
    response.opened.reservedBytes = UInt64(reservedBytes)
    return response
  }

  static func finished(processedTokens: Int) -> Self {
    var response = Self()
    response.finished.processedTokens = UInt64(processedTokens)
    return response
  }
}
