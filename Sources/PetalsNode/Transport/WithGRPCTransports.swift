/// Runs a body with connections to peers.
///
/// A connection is made at the first call. When the body ends, sessions that it left open are
/// ended and every connection is closed; nothing runs afterwards.
///
/// - Parameters:
///   - peers: Where the nodes listen.
///   - limits: How long calls may take.
///   - clock: What measures that.
///   - body: Gets the transports in the order of the peers.
public func withGRPCTransports<Result: Sendable>(
  _ peers: [PeerAddress], limits: TransportLimits = TransportLimits(),
  clock: any Clock<Duration> = ContinuousClock(),
  _ body: ([GRPCTransport]) async throws -> Result
) async throws -> Result {
  let thread = CallThread.next()
  let calls = TaskScope(on: thread)
  // Not child tasks: a caller that is cancelled must not take the connections from calls that end.
  let connections = TaskScope(on: thread)
  let transports: [GRPCTransport]
  do {
    transports = try peers.map {
      try GRPCTransport(
        $0, limits: limits, clock: clock, calls: calls, connections: connections, thread: thread)
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
