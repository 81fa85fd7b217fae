public import Bloom
import GRPCCore
import GRPCNIOTransportHTTP2
import PipelineRPC

/// The way to a node over gRPC.
///
/// It lives within ``withGRPCTransports(_:limits:clock:_:)``, which ends its connections and the
/// sessions that were not closed.
public final class GRPCTransport: BlockTransport {
  /// `host:port`.
  public let peer: String
  let client: GRPCClient<HTTP2ClientTransport.Posix>
  private let service: Plumise_Petals_PetalsNode.Client<HTTP2ClientTransport.Posix>
  private let limits: TransportLimits
  private let clock: any Clock<Duration>
  private let calls: TaskScope
  private let thread: CallThread

  init(
    _ address: PeerAddress, limits: TransportLimits, clock: any Clock<Duration>, calls: TaskScope,
    thread: CallThread
  ) throws {
    peer = address.description
    client = try GRPCClient(transport: .petals(to: address, on: thread))
    service = Plumise_Petals_PetalsNode.Client(wrapping: client)
    self.limits = limits
    self.clock = clock
    self.calls = calls
    self.thread = thread
  }

  /// Where what is done between two calls is best done: on the thread of the connection.
  public var executor: (any TaskExecutor)? { thread }

  /// What the node says of itself.
  public func info() async throws -> PeerInfo {
    let message = try await call("describe itself", within: limits.connect) { service in
      try await service.info(Plumise_Petals_InfoRequest(), options: .petals)
    }
    return try PeerInfo(message, from: peer)
  }

  /// Hidden states through the node's blocks, without a cache.
  public func forward(
    _ hidden: HiddenStates, through model: ServedBlocks
  ) async throws -> HiddenStates {
    var request = Plumise_Petals_ForwardRequest()
    request.modelFingerprint = model.fingerprint
    request.blocks = Plumise_Petals_BlockRange(model.blocks)
    request.hiddenStates = hidden.message()
    let response = try await call("pass hidden states", within: limits.request) {
      [request] service in try await service.forward(request, options: .petals)
    }
    return try answer(response.hiddenStates, field: "hidden_states", to: hidden)
  }

  /// The gradient of the blocks' input.
  public func backward(
    input: HiddenStates, outputGradient: HiddenStates, through model: ServedBlocks
  ) async throws -> HiddenStates {
    var request = Plumise_Petals_BackwardRequest()
    request.modelFingerprint = model.fingerprint
    request.blocks = Plumise_Petals_BlockRange(model.blocks)
    request.hiddenStates = input.message()
    request.outputGradient = outputGradient.message()
    let response = try await call("pass gradients", within: limits.request) {
      [request] service in try await service.backward(request, options: .petals)
    }
    return try answer(response.inputGradient, field: "input_gradient", to: input)
  }

  /// Opens a session on the node.
  public func openSession(_ opening: SessionOpening) async throws -> any BlockSession {
    let session = GRPCSession(peer: peer, stepLimit: limits.step, clock: clock)
    session.start(service: service, in: calls)
    do {
      try await withDeadline(
        limits.connect, on: clock, orThrow: late("open a session", limits.connect)
      ) { try await session.open(opening) }
    } catch {
      session.cancel()
      throw error
    }
    return session
  }

  private func call<Answer: Sendable>(
    _ action: String, within limit: Duration,
    _ work:
      @escaping @Sendable (
        Plumise_Petals_PetalsNode.Client<HTTP2ClientTransport.Posix>
      ) async throws -> Answer
  ) async throws -> Answer {
    let (service, calls) = (service, calls)
    do {
      // Within the scope: the transport does not notice that a call was cancelled before it began to
      // wait for a connection, and would hold it, deadline or not, until there is one.
      return try await withDeadline(limit, on: clock, orThrow: late(action, limit)) {
        try await calls.run { try await work(service) }
      }
    } catch {
      try Task.checkCancellation()
      throw NodeError(calling: peer, error)
    }
  }

  private func late(_ action: String, _ limit: Duration) -> NodeError {
    NodeError(.deadlineExceeded, "it did not \(action) within \(limit)", peer: peer)
  }

  private func answer(
    _ tensor: Plumise_Petals_Tensor, field: String, to request: HiddenStates
  ) throws -> HiddenStates {
    try HiddenStates(answer: tensor, field: field, from: peer, like: request)
  }
}

extension HiddenStates {
  /// Checks what a peer answered: as many tokens, as wide, as what it was sent.
  init(
    answer tensor: Plumise_Petals_Tensor, field: String, from peer: String,
    like request: HiddenStates
  ) throws(NodeError) {
    do {
      try self.init(tensor, field: field, hidden: request.hidden)
    } catch {
      throw NodeError(.internalFault, "its answer is wrong: \(error.message)", peer: peer)
    }
    guard tokens == request.tokens else {
      throw NodeError(
        .internalFault, "it was sent \(request.tokens) tokens and answered \(tokens)", peer: peer)
    }
  }
}
