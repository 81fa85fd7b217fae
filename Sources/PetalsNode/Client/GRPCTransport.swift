import AsyncPrimitives
public import Bloom
import GRPCCore
import PipelineRPC
import Synchronization

/// The transport to a node over gRPC.
///
/// It lives within ``withGRPCTransports(_:limits:clock:isolation:_:)``, which ends its connections and the
/// sessions that were not closed.
public final class GRPCTransport: BlockTransport {
  /// `host:port`.
  public let peer: String
  private struct State: Sendable {
    /// The one that new calls take.
    var connection: GRPCConnection
    var isClosed = false
  }

  private let address: PeerAddress
  private let limits: TransportLimits
  private let clock: any Clock<Duration>
  /// What counts calls, on a clock that tests move.
  private let monitor: IdleMonitor?
  private let calls: TaskScope
  private let connections: TaskScope
  private let thread: EventLoopExecutor
  private let numbers: StepNumbers
  private let state: Mutex<State>

  init(
    _ address: PeerAddress, limits: TransportLimits, clock: any Clock<Duration>, calls: TaskScope,
    connections: TaskScope, thread: EventLoopExecutor, numbers: StepNumbers
  ) throws {
    peer = address.description
    self.address = address
    self.limits = limits
    self.clock = clock
    monitor = clock.monitor
    self.calls = calls
    self.connections = connections
    self.thread = thread
    self.numbers = numbers
    state = Mutex(
      State(
        connection: try GRPCConnection(
          to: address, silence: limits.silence, clock: clock, on: thread, in: connections)))
  }

  /// Takes no more calls.
  func close() {
    let connection = state.withLock { state in
      state.isClosed = true
      return state.connection
    }
    connection.close()
  }

  /// Ends a connection on which the peer is silent; the next call makes another one.
  ///
  /// The machine at the other end may be another one by then, which knows nothing of the old one.
  private func replace(_ lost: GRPCConnection) {
    state.withLock { state in
      guard !state.isClosed, state.connection === lost else { return }
      // It was made from the same parts before: where that fails, the next call says why.
      if let next = try? GRPCConnection(
        to: address, silence: limits.silence, clock: clock, on: thread, in: connections)
      {
        state.connection = next
      }
    }
    lost.cancel()
  }

  /// The executor of the connection's event loop.
  ///
  /// On a clock that tests move it is the executor that counts what the clock waits for.
  public var executor: (any TaskExecutor)? { monitor ?? thread }

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
    let connection = state.withLock { $0.connection }
    let session = GRPCSession(
      peer: peer, at: opening.acceptToken.map { NextNode(address: address, token: $0) },
      handsOn: opening.handsOn, on: connection, stepLimit: limits.step, numbers: numbers,
      clock: clock)
    session.start(in: calls) { self.replace(connection) }
    do {
      try await withRequest(
        nil, to: peer, within: limits.connect, on: clock,
        orThrow: late("open a session", limits.connect)
      ) { try await session.open(opening) }
    } catch {
      // As with calls: the connection may lead to nobody.
      if (error as? NodeError)?.code == .deadlineExceeded, connection.hasOneCall {
        replace(connection)
      }
      session.cancel()
      throw error
    }
    return session
  }

  private func call<Answer: Sendable>(
    _ action: String, within limit: Duration,
    _ work: @escaping @Sendable (GRPCConnection.Service) async throws -> Answer
  ) async throws -> Answer {
    let (connection, calls) = (state.withLock { $0.connection }, calls)
    connection.begin()
    defer { connection.end() }
    do {
      // Within the scope: the transport does not notice that a call was cancelled before it began to
      // wait for a connection, and would hold it, deadline or not, until there is one.
      let answer = try await withRequest(
        nil, to: peer, within: limit, on: clock, orThrow: late(action, limit)
      ) {
        try await self.whileAlive(connection) { service in
          try await calls.run { try await work(service) }
        }
      }
      connection.liveness.recordActivity()
      return answer
    } catch {
      try Task.checkCancellation()
      // A connection that never came about, or leads to nobody any more: the next call has to find
      // out anew. Where others wait on it too, their own watch decides.
      if (error as? NodeError)?.code == .deadlineExceeded, connection.hasOneCall {
        replace(connection)
      }
      throw NodeError(calling: peer, error)
    }
  }

  /// Runs a call for as long as the peer gives signs of life.
  private func whileAlive<Answer: Sendable>(
    _ connection: GRPCConnection,
    _ work: @escaping @Sendable (GRPCConnection.Service) async throws -> Answer
  ) async throws -> Answer {
    let (calls, time) = (calls, Stopwatch(clock))
    let (peer, monitor) = (peer, monitor)
    let answer: Answer? = try await race(
      { try await work(connection.service) },
      against: {
        try await connection.liveness.waitUntilLost(
          waiting: { time.elapsed },
          probe: {
            try await withRequest(nil, to: peer, monitoredBy: monitor) {
              try await calls.run { try await connection.probe() }
            }
          })
        return nil
      })
    guard let answer else {
      replace(connection)
      throw NodeError(silent: peer, for: limits.silence)
    }
    return answer
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

/// Runs a body with connections to peers.
///
/// A connection is made at the first call. When the body ends, sessions that it left open are
/// ended and every connection is closed; nothing runs afterwards.
///
/// - Parameters:
///   - peers: Where the nodes listen.
///   - limits: How long calls may take.
///   - clock: What measures that.
///   - isolation: The actor that `body` runs on; the caller's.
///   - body: Gets the transports in the order of the peers.
public func withGRPCTransports<Result: Sendable>(
  _ peers: [PeerAddress], limits: TransportLimits = TransportLimits(),
  clock: any Clock<Duration> = ContinuousClock(),
  isolation: isolated (any Actor)? = #isolation,
  _ body: ([GRPCTransport]) async throws -> Result
) async throws -> Result {
  let thread = EventLoopExecutor.next()
  let monitor = clock.monitor
  let calls = TaskScope(on: monitor ?? thread)
  // Not child tasks: a caller that is cancelled must not take the connections from calls that end.
  let connections = TaskScope(on: monitor ?? thread)
  let numbers = StepNumbers()
  let transports: [GRPCTransport]
  do {
    transports = try peers.map {
      try GRPCTransport(
        $0, limits: limits, clock: clock, calls: calls, connections: connections, thread: thread,
        numbers: numbers)
    }
  } catch {
    connections.cancel()
    await connections.wait()
    throw error
  }
  let outcome: Swift.Result<Result, any Error>
  do {
    outcome = .success(try await body(transports))
  } catch {
    outcome = .failure(error)
  }
  // No clock brings this about: one that tests move waits for it.
  let closing = monitor?.begin(nil)
  defer { if let closing { monitor?.end(closing) } }
  calls.cancel()
  // This also ends a call that was cancelled before the connection it waits for knew of it.
  for transport in transports { transport.close() }
  await calls.wait()
  // No call is left to wait for, and a peer that accepted and never spoke would hold a graceful
  // end for ever.
  connections.cancel()
  await connections.wait()
  return try outcome.get()
}

/// How long the calls to a peer may take, on the client's clock.
public struct TransportLimits: Hashable, Sendable {
  /// A peer's description of itself, or the opening of a session, and with it the connection.
  public var connect: Duration
  /// A pass without a cache.
  public var request: Duration
  /// One step of a session.
  public var step: Duration
  /// How long a peer may give no sign of life while something is expected of it.
  ///
  /// Whatever it sends is a sign. A peer that sent nothing for a third of the time is asked what it
  /// serves, which it can say however much it computes, and has the rest to answer. So a node that is
  /// busy with a long prompt has all of ``step``, and one that stands still does not.
  public var silence: Duration

  /// Limits; the defaults are those of Petals, with 10 s to connect and 15 s of silence.
  public init(
    connect: Duration = .seconds(10), request: Duration = .seconds(180),
    step: Duration = .seconds(300), silence: Duration = .seconds(15)
  ) {
    self.connect = connect
    self.request = request
    self.step = step
    self.silence = silence
  }
}
