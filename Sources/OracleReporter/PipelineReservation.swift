public import EthereumPrimitives
public import PlumiseWire

/// A place in a pipeline that is kept for an agent until it comes.
///
/// The oracle removes a member that was silent for ten minutes. The place is therefore registered again at
/// intervals, with the agent's key. These messages carry a time half a minute ago: whenever the agent
/// registers, its own message is later than they are, and never a replay.
public struct PipelineReservation: Sendable {
  /// The pause between two registrations.
  static let interval = Duration.seconds(240)
  /// By how much the registrations are dated back; the oracle takes a minute.
  static let age = Duration.seconds(30)

  private let oracle: PipelineOracle
  private let grpcEndpoint: String
  private let httpEndpoint: String
  private let ramMegabytes: Int64
  private let address: Address

  /// A place for the agent of a key.
  ///
  /// - Parameters:
  ///   - url: The oracle's base URL.
  ///   - model: The model whose pipeline it is.
  ///   - key: The agent's key.
  ///   - grpcEndpoint: The URL at which other nodes are to reach the agent.
  ///   - httpEndpoint: The URL at which users are to reach it.
  ///   - ramMegabytes: The memory by which layers are shared.
  ///   - clock: What the intervals are measured on.
  ///   - unixClock: The time of day.
  public init(
    url: OracleURL, model: String, key: SecretKey, grpcEndpoint: String, httpEndpoint: String,
    ramMegabytes: Int64, clock: any Clock<Duration> = ContinuousClock(),
    unixClock: UnixClock = .system
  ) {
    oracle = PipelineOracle(
      url: url, model: model, key: key, clock: clock,
      unixClock: UnixClock { unixClock.now() - Self.age })
    address = key.address
    self.grpcEndpoint = grpcEndpoint
    self.httpEndpoint = httpEndpoint
    self.ramMegabytes = ramMegabytes
  }

  /// Registers the place.
  ///
  /// - Returns: Its layers, until another node joins.
  /// - Throws: As ``PipelineOracle/join(grpcEndpoint:httpEndpoint:ramMegabytes:)``.
  @discardableResult
  public func reserve() async throws -> LayerAssignment {
    try await oracle.join(
      grpcEndpoint: grpcEndpoint, httpEndpoint: httpEndpoint, ramMegabytes: ramMegabytes)
  }

  /// Keeps the place until its agent has it: it is ready, or has registered itself since.
  ///
  /// - Parameter onTrouble: Gets one line for each time that the place could not be registered again.
  /// - Throws: `CancellationError`.
  public func keep(onTrouble: @Sendable (String) -> Void) async throws {
    while true {
      try await oracle.clock.sleep(for: Self.interval)
      do {
        guard try await isFree() else { return }
        try await reserve()
      } catch let error as ReporterError where error.isReplay {
        return
      } catch {
        try Task.checkCancellation()
        onTrouble("the place at \(grpcEndpoint) was not kept: \(error)")
      }
    }
  }

  /// Whether nobody has taken the place: what was registered stands in the topology, not ready, or
  /// nothing does, because the oracle has forgotten it.
  private func isFree() async throws -> Bool {
    let own = try await oracle.topology().first {
      $0.nodeAddress.lowercased() == address.lowercaseHex
    }
    guard let own else { return true }
    return !own.ready && own.grpcEndpoint == grpcEndpoint && own.httpEndpoint == httpEndpoint
  }
}
