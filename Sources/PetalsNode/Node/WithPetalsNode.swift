public import InferenceMetrics
public import Logging

/// Runs a body with a node that is ready.
///
/// When the body ends the node is stopped: its ports are free and nothing of it runs when this
/// returns, whether the body returned, threw, or was cancelled.
///
/// - Parameters:
///   - configuration: What the node serves, and where; port 0 takes any free one.
///   - metrics: What counts; nil makes a collector on the same clock.
///   - clock: What measures deadlines and the uptime.
///   - logger: Hears of starts, stops and what went wrong.
///   - onEvent: Called at each event, in order; the node goes on when it returns.
///   - body: Gets the ready node, whose ``PetalsNode/address`` is known by then.
/// - Throws: ``NodeStartError`` when the node does not start; what the body throws.
public func withPetalsNode<Result: Sendable>(
  _ configuration: NodeConfiguration, metrics: MetricsCollector? = nil,
  clock: any Clock<Duration> = ContinuousClock(),
  logger: Logger = Logger(label: "petals.node"),
  onEvent: @escaping @Sendable (NodeEvent) async -> Void = { _ in },
  _ body: (PetalsNode) async throws -> Result
) async throws -> Result {
  let node = PetalsNode(
    configuration, metrics: metrics, clock: clock, logger: logger, onEvent: onEvent)
  // Not a child task: a cancelled caller must still get a graceful stop. It always ends below.
  let running = Task { try await node.run() }
  let outcome: Swift.Result<Result, any Error>
  do {
    try await node.waitUntilReady()
    outcome = .success(try await body(node))
  } catch {
    outcome = .failure(error)
  }
  node.stop()
  let end = await running.result
  // Why it did not become ready matters more than that it did not.
  if case .failure(let error as NodeStartError) = outcome, case .stopped = error {
    try end.get()
  }
  return try outcome.get()
}
