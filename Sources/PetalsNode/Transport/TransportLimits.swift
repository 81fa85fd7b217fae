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
