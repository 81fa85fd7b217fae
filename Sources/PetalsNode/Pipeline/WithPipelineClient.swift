public import Logging

/// Runs a body with a pipeline through nodes on the network.
///
/// - Parameters:
///   - ends: The client's own ends of the model.
///   - peers: Nodes that together serve every block, in any order; blocks that several serve go to
///     the quickest, and to another where one fails.
///   - limits: How long calls may take; a node that takes longer is replaced.
///   - recovery: How the client goes on when a node fails.
///   - clock: What measures limits, bans and the time to first token.
///   - logger: Hears of nodes that did not get a session's summary.
///   - body: Generates.
/// - Throws: ``RouteError`` when the peers do not make the model, with the blocks that nobody serves
///   and what each peer has to say; what the body throws.
public func withPipelineClient<Result: Sendable>(
  _ ends: ModelEnds, peers: [PeerAddress], limits: TransportLimits = TransportLimits(),
  recovery: RecoveryPolicy = RecoveryPolicy(), clock: any Clock<Duration> = ContinuousClock(),
  logger: Logger = Logger(label: "petals.client"),
  _ body: (PipelineClient) async throws -> Result
) async throws -> Result {
  try await withGRPCTransports(peers, limits: limits, clock: clock) { transports in
    try await withPipelineClient(
      ends, transports: transports, recovery: recovery, clock: clock, logger: logger, body)
  }
}

/// Runs a body with a pipeline through nodes that are reached in any way.
///
/// - Parameters:
///   - ends: The client's own ends of the model.
///   - transports: Ways to nodes that together serve every block, in any order.
///   - recovery: How the client goes on when a node fails.
///   - clock: What measures bans and the time to first token.
///   - logger: Hears of nodes that did not get a session's summary.
///   - body: Generates.
/// - Throws: ``RouteError`` as above; what the body throws.
public func withPipelineClient<Result: Sendable>(
  _ ends: ModelEnds, transports: [any BlockTransport],
  recovery: RecoveryPolicy = RecoveryPolicy(), clock: any Clock<Duration> = ContinuousClock(),
  logger: Logger = Logger(label: "petals.client"),
  _ body: (PipelineClient) async throws -> Result
) async throws -> Result {
  let closing = SessionClosing(clock: clock, logger: logger)
  let outcome: Swift.Result<Result, any Error>
  do {
    let client = try await PipelineClient(
      ends, transports: transports, recovery: recovery, clock: clock, closing: closing,
      logger: logger)
    outcome = .success(try await body(client))
  } catch {
    outcome = .failure(error)
  }
  await closing.wait()
  return try outcome.get()
}
