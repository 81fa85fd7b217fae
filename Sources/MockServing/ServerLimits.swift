/// What a server lets a peer make it hold: bytes, connections, time.
public struct ServerLimits: Sendable {
  /// The longest head of a request, in bytes of its header fields: a longer one is answered 431.
  public var headerBytes: Int
  /// The most connections at a time: one more is answered 503 and closed.
  public var connections: Int
  /// How long a request may take to arrive, from its first byte to its last, and its answer to be
  /// read; then the connection is closed.
  public var requestTime: Duration
  /// How long a connection may be idle between requests; then it is closed.
  public var idleTime: Duration
  /// What both are measured on.
  public var clock: any Clock<Duration>

  /// Makes limits; every default is far above what an honest client needs.
  public init(
    headerBytes: Int = 32 << 10, connections: Int = 20_000, requestTime: Duration = .seconds(30),
    idleTime: Duration = .seconds(300), clock: any Clock<Duration> = ContinuousClock()
  ) {
    precondition(headerBytes > 0, "headerBytes \(headerBytes) is not above zero")
    precondition(connections > 0, "connections \(connections) is not above zero")
    precondition(requestTime > .zero, "requestTime \(requestTime) is not above zero")
    precondition(idleTime > .zero, "idleTime \(idleTime) is not above zero")
    self.headerBytes = headerBytes
    self.connections = connections
    self.requestTime = requestTime
    self.idleTime = idleTime
    self.clock = clock
  }
}
