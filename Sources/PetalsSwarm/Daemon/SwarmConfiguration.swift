public import Foundation

/// How a peer of a swarm runs.
public struct SwarmConfiguration: Sendable {
  /// What a peer does for others in the hash table that the swarm's members find each other by.
  public enum Membership: Hashable, Sendable {
    /// It keeps records, and answers what others look for.
    case full
    /// It asks only.
    case client
  }

  /// p2pd; nil looks for it (``SwarmDaemonFile/find(_:environment:)``).
  public var daemon: URL?
  /// The address that other peers reach it at, an IPv4 or IPv6 address of this machine.
  public var host: String
  /// The TCP port; 0 takes any free one.
  public var port: Int
  /// Peers that are in the swarm already; none begins a swarm of its own.
  public var initialPeers: [SwarmAddress]
  /// Its key.
  public var identity: SwarmIdentity
  /// What it does for others.
  public var membership: Membership
  /// How long p2pd may take to start, in which it looks for one of the initial peers.
  public var startTimeout: Duration
  /// How long a call to another peer may take, p2pd's way to it included.
  public var callTimeout: Duration
  /// How long the opening of a stream may take.
  public var connectTimeout: Duration
  /// The longest message of a stream that is read, in bytes.
  public var largestMessage: Int
  /// Most streams of other peers that are served at once.
  public var concurrentStreams: Int
  /// A program and its arguments that run p2pd, as in another network namespace; none runs it here.
  package var launcher: [String] = []
  /// The time of day, in seconds of the Unix epoch.
  package var unixClock: @Sendable () -> Double = { Date().timeIntervalSince1970 }

  /// A configuration with its defaults; by default a peer is reached from this machine alone.
  public init(
    daemon: URL? = nil, host: String = "127.0.0.1", port: Int = 0,
    initialPeers: [SwarmAddress] = [], identity: SwarmIdentity = SwarmIdentity(),
    membership: Membership = .full, startTimeout: Duration = .seconds(120),
    callTimeout: Duration = .seconds(3),
    connectTimeout: Duration = .seconds(5), largestMessage: Int = 64 << 20,
    concurrentStreams: Int = 256
  ) {
    self.daemon = daemon
    self.host = host
    self.port = port
    self.initialPeers = initialPeers
    self.identity = identity
    self.membership = membership
    self.startTimeout = startTimeout
    self.callTimeout = callTimeout
    self.connectTimeout = connectTimeout
    self.largestMessage = largestMessage
    self.concurrentStreams = concurrentStreams
  }

  /// p2pd's arguments.
  func arguments(socket: String, key: String) -> [String] {
    let family = host.contains(":") ? "ip6" : "ip4"
    var arguments = [
      "-listen=/unix\(socket)", "-id=\(key)", "-hostAddrs=/\(family)/\(host)/tcp/\(port)",
      "-natPortMap=0", "-tls=1", "-relay=0", "-relayService=0", "-idleTimeout=30s",
      "-persistentConnMaxMsgSize=\(ControlConnection.messageLimit)",
      membership == .full ? "-dhtServer=1" : "-dhtClient=1",
    ]
    if !initialPeers.isEmpty {
      arguments += [
        "-b=1", "-bootstrapPeers=\(initialPeers.map(\.description).joined(separator: ","))",
      ]
    }
    return arguments
  }
}
