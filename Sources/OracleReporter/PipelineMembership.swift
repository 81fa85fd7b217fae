public import PlumiseWire

/// An agent's life in a pipeline from its registration on, as the network's agents lead it.
///
/// They register (``PipelineOracle/join(grpcEndpoint:httpEndpoint:ramMegabytes:)``), read the topology,
/// load their layers, mark themselves as ready (``begin(with:_:)``), and read the topology again at
/// intervals (``follow(_:)``).
public struct PipelineMembership: Sendable {
  /// The pause between two readings of the topology by the network's agents.
  public static let topologyInterval = Duration.seconds(30)

  /// The pipeline.
  public let oracle: PipelineOracle
  private let interval: Duration
  private let onTrouble: @Sendable (String) -> Void

  /// The life of the agent whose key the client has, on the client's clock.
  ///
  /// - Parameters:
  ///   - oracle: The pipeline.
  ///   - interval: The pause between two readings of the topology.
  ///   - onTrouble: Gets one line for each reading that failed.
  public init(
    _ oracle: PipelineOracle, interval: Duration = Self.topologyInterval,
    onTrouble: @escaping @Sendable (String) -> Void
  ) {
    self.oracle = oracle
    self.interval = interval
    self.onTrouble = onTrouble
  }

  /// Hands over the topology that the agent starts with, and marks it as ready.
  ///
  /// - Parameters:
  ///   - topology: What was read behind the registration.
  ///   - receive: Gets the topology.
  /// - Throws: As ``PipelineOracle/markReady()``.
  public func begin(
    with topology: [PipelineNode], _ receive: ([PipelineNode]) -> Void
  ) async throws {
    receive(topology)
    try await oracle.markReady()
  }

  /// Hands over the topology after each interval, until the task is cancelled.
  ///
  /// As for the network's agents, the last one stays until the oracle gives another one.
  /// - Parameter receive: Gets each topology.
  public func follow(_ receive: ([PipelineNode]) -> Void) async {
    while !Task.isCancelled {
      do {
        try await oracle.clock.sleep(for: interval)
        receive(try await oracle.topology())
      } catch {
        if Task.isCancelled { return }
        onTrouble("the topology was not read: \(error)")
      }
    }
  }
}
