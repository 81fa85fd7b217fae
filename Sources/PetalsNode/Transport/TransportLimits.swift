/// How long the calls to a peer may take, on the client's clock.
public struct TransportLimits: Hashable, Sendable {
  /// A peer's description of itself, or the opening of a session, and with it the connection.
  public var connect: Duration
  /// A pass without a cache.
  public var request: Duration
  /// One step of a session.
  public var step: Duration

  /// Limits; the defaults are those of Petals, with 10 s to connect.
  public init(
    connect: Duration = .seconds(10), request: Duration = .seconds(180),
    step: Duration = .seconds(300)
  ) {
    self.connect = connect
    self.request = request
    self.step = step
  }
}
