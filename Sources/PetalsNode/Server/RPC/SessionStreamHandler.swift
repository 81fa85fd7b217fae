import AsyncPrimitives
import Bloom
import GRPCCore
import PipelineRPC

/// Handles one session stream: one open, steps, at most one finish.
struct SessionStreamHandler: Sendable {
  let server: BlockServer
  /// Runs while the node waits for its client: to read the last answer, and to ask again.
  let silence: Watchdog
  let responses: RPCWriter<Plumise_Petals_SessionResponse>
  /// What it takes from other nodes, and hands on to them; nil where the node does neither.
  let handOver: SessionHandOver?

  /// Answers requests until the stream ends; the session's memory is given back in any case.
  func run(_ requests: RPCAsyncSequence<Plumise_Petals_SessionRequest, any Error>) async throws {
    var session: ServedSession?
    defer {
      handOver?.end()
      session?.release()
    }
    silence.begin()
    for try await request in requests {
      silence.end()
      switch (request.kind, session) {
      case (.open(let open), nil):
        let opened = try self.open(open)
        session = opened
        if let handOver, !open.acceptToken.isEmpty {
          try handOver.open(
            opened, with: DeliveryToken(open.acceptToken, field: "accept_token"))
        }
        try await answer(.opened(reservedBytes: opened.reservedBytes))
      case (.step(let message), let session?):
        let step = try ReceivedStep(
          message, hidden: server.model.hiddenSize, handsOn: handOver != nil)
        if let handOver {
          handOver.overtake(with: step)
          try await handOver.inTurn {
            // The step before was answered meanwhile, and waits for nobody.
            silence.end()
            try await take(step, in: session)
          }
        } else {
          try await take(step, in: session)
        }
      case (.finish(let finish), let session?):
        let summary = try finish.summary()
        let tokens: Int
        if let handOver {
          tokens = try await handOver.inTurn {
            silence.end()
            let tokens = try session.finish(summary)
            // Before the next in turn: nothing that was delivered is wanted any more.
            handOver.end()
            return tokens
          }
        } else {
          tokens = try session.finish(summary)
        }
        try await answer(.finished(processedTokens: tokens))
      case (.open, _?):
        throw NodeError(.failedPrecondition, "the session is open already")
      case (.step, nil), (.finish, nil):
        throw NodeError(.failedPrecondition, "a session begins with open")
      case (nil, _):
        throw NodeError(.invalidArgument, "a session request is open, step or finish")
      }
    }
  }

  /// Computes the steps that other nodes deliver, each in its turn.
  ///
  /// - Throws: What ends the session, as with a step of its client's; `CancellationError`.
  func takeDelivered(_ handOver: SessionHandOver) async throws {
    while true {
      let (step, session) = try await handOver.next()
      try await handOver.inTurn {
        guard handOver.isWanted(step) else { return }
        silence.end()
        try await take(step, in: session)
      }
    }
  }

  /// Tells the client which steps were not handed on after all.
  ///
  /// - Throws: `CancellationError`, and what writing throws.
  func tellRefusals(_ handOver: SessionHandOver) async throws {
    while true {
      var response = Plumise_Petals_SessionResponse()
      response.notHandedOn = try await handOver.nextRefusal()
      try await responses.write(response)
    }
  }

  private func answer(_ response: Plumise_Petals_SessionResponse) async throws {
    silence.begin()
    try await responses.write(response)
  }

  private func open(_ message: Plumise_Petals_SessionOpen) throws(NodeError) -> ServedSession {
    let opening = SessionOpening(
      id: message.sessionID, fingerprint: message.modelFingerprint.nonEmpty, blocks: nil,
      maximumLength: Int(message.maximumLength))
    let blocks = message.hasBlocks ? try message.blocks.range() : nil
    return try server.openSession(opening, blocks: blocks)
  }

  /// Computes a step, hands its output on where the step says so, and answers the client.
  private func take(_ step: ReceivedStep, in session: ServedSession) async throws {
    handOver?.prepare(step)
    let output = try await session.step(step.hidden, startFrom: step.start)
    var result = Plumise_Petals_SessionStepResult()
    result.stepID = step.id
    result.hiddenStates = try output.hidden.answer(
      to: step.message.hiddenStates, field: "hidden_states")
    result.position = Int32(clamping: output.position)
    result.computeNanoseconds = output.computeTime.wireNanoseconds
    if let handOver {
      result.handedOn = handOver.handOn(
        result.hiddenStates, of: step, at: output.position - step.hidden.tokens)
      // The next node is waited for, and this answer is not: the link writes first.
      if result.handedOn { await Task.yield() }
    }
    var response = Plumise_Petals_SessionResponse()
    response.step = result
    try await answer(response)
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
