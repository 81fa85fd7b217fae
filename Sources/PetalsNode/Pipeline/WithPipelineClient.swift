public import Logging

/// Runs a body with a pipeline through nodes on the network.
///
/// - Parameters:
///   - ends: The client's own ends of the model.
///   - peers: Nodes that together serve every block once, in any order.
///   - limits: How long calls may take.
///   - clock: What measures that, and the time to first token.
///   - logger: Hears of nodes that did not get a session's summary.
///   - body: Generates.
/// - Throws: ``NodeError`` that names a peer which cannot be reached; ``RouteError`` when the
///   peers do not make the model; what the body throws.
public func withPipelineClient<Result: Sendable>(
  _ ends: ModelEnds, peers: [PeerAddress], limits: TransportLimits = TransportLimits(),
  clock: any Clock<Duration> = ContinuousClock(),
  logger: Logger = Logger(label: "petals.client"),
  _ body: (PipelineClient) async throws -> Result
) async throws -> Result {
  try await withGRPCTransports(peers, limits: limits, clock: clock) { transports in
    try await withPipelineClient(
      ends, transports: transports, clock: clock, logger: logger, body)
  }
}

/// Runs a body with a pipeline through nodes that are reached in any way.
///
/// - Parameters:
///   - ends: The client's own ends of the model.
///   - transports: Ways to nodes that together serve every block once, in any order.
///   - clock: What measures the time to first token.
///   - logger: Hears of nodes that did not get a session's summary.
///   - body: Generates.
/// - Throws: ``NodeError`` and ``RouteError`` as above; what the body throws.
public func withPipelineClient<Result: Sendable>(
  _ ends: ModelEnds, transports: [any BlockTransport],
  clock: any Clock<Duration> = ContinuousClock(),
  logger: Logger = Logger(label: "petals.client"),
  _ body: (PipelineClient) async throws -> Result
) async throws -> Result {
  let closing = SessionClosing(clock: clock, logger: logger)
  let outcome: Swift.Result<Result, any Error>
  do {
    let client = try await PipelineClient.plan(
      ends, transports: transports, clock: clock, closing: closing)
    outcome = .success(try await body(client))
  } catch {
    outcome = .failure(error)
  }
  await closing.wait()
  return try outcome.get()
}
