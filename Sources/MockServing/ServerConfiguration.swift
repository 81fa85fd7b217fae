public import Logging

/// Where and how a server listens.
public struct ServerConfiguration: Sendable {
  /// Who answers a request whose body is longer than the limit.
  public enum OversizedBody: Sendable {
    /// The server answers 413 by itself; the service never sees the request.
    case refuse
    /// The service gets the first `maximumBodyBytes + 1` bytes, sees that the body is too long,
    /// and answers in its own words.
    case handOver
  }

  /// The host to listen on.
  public var host: String
  /// The port to listen on; 0 takes any free one.
  public var port: Int
  /// The longest body that is read.
  public var maximumBodyBytes: Int
  /// Who answers when a body is longer.
  public var oversizedBody: OversizedBody
  /// The service's name, for the log and for errors.
  public var serviceName: String
  /// How long a stop waits for requests in flight before it cancels them.
  public var gracePeriod: Duration
  /// What a peer may make the server hold.
  public var limits: ServerLimits
  /// Whether the service answers on the event loops: faster for one that computes little and never
  /// blocks, since no request changes threads; the cooperative pool otherwise.
  public var runsOnEventLoops: Bool
  /// Where the server logs; silent by default.
  public var logger: Logger

  /// Makes a configuration; every default suits a test.
  public init(
    host: String = "127.0.0.1", port: Int = 0, maximumBodyBytes: Int = 1 << 20,
    oversizedBody: OversizedBody = .refuse, serviceName: String = "server",
    gracePeriod: Duration = .seconds(2), limits: ServerLimits = ServerLimits(),
    runsOnEventLoops: Bool = false, logger: Logger? = nil
  ) {
    precondition((0...65535).contains(port), "port \(port) is outside 0…65535")
    precondition(maximumBodyBytes >= 0, "maximumBodyBytes \(maximumBodyBytes) is negative")
    self.host = host
    self.port = port
    self.maximumBodyBytes = maximumBodyBytes
    self.oversizedBody = oversizedBody
    self.serviceName = serviceName
    self.gracePeriod = gracePeriod
    self.limits = limits
    self.runsOnEventLoops = runsOnEventLoops
    self.logger = logger ?? Logger(label: serviceName) { _ in SwiftLogNoOpLogHandler() }
  }
}
