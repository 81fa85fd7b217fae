import GRPCCore
import GRPCNIOTransportHTTP2
import class NIOCore.EventLoopFuture
import protocol NIOCore.Channel

// What both ends of a connection agree on beyond gRPC's own defaults. Messages hold hidden
// states: 8 MiB for a full context of bloom-560m. The windows take a message whole, and nothing
// waits to be sent together with something else: the next token waits for this one.

/// Largest message that a client takes, in bytes; servers set their own by model.
private let maxResponseBytes = 256 << 20
private let window = 16 << 20
private let frame = 1 << 20
/// How often a client without calls may ask for a sign of life; one with calls may ask at any time.
private let minPingInterval = Duration.seconds(5)
/// Calls that one connection may have open at a time.
private let streamLimit = 256

extension CallOptions {
  /// Options of every call.
  static var petals: CallOptions {
    var options = CallOptions.defaults
    options.maxRequestMessageBytes = maxResponseBytes
    options.maxResponseMessageBytes = maxResponseBytes
    return options
  }
}

extension ClientTransport where Self == HTTP2ClientTransport.Posix {
  /// A connection to a node, without encryption: the network's nodes speak plain HTTP/2.
  static func petals(
    to address: PeerAddress, on thread: EventLoopExecutor
  ) throws -> Self {
    var config = HTTP2ClientTransport.Posix.Config.defaults
    config.http2.targetWindowSize = window
    config.http2.maxFrameSize = frame
    config.connection.flushCoalescing = nil
    // It ends with the connection's first call and does not begin again: `PeerLiveness` stands in.
    config.connection.keepalive = nil
    // Who asks again soon after a failure should find out soon whether the node is back.
    config.backoff = .init(
      initial: .milliseconds(50), max: .seconds(2), multiplier: 1.6, jitter: 0.2)
    let target: any ResolvableTarget =
      if address.host.contains(":") {
        .ipv6(address: address.host, port: address.port)
      } else if address.host.isIPv4 {
        .ipv4(address: address.host, port: address.port)
      } else {
        .dns(host: address.host, port: address.port)
      }
    return try .http2NIOPosix(
      target: target, transportSecurity: .plaintext, config: config,
      eventLoopGroup: thread.group)
  }
}

extension ServerTransport where Self == HTTP2ServerTransport.Posix {
  /// A listener of a node.
  ///
  /// - Parameters:
  ///   - address: Where it listens.
  ///   - largestRequest: In bytes; a longer message ends its call before it is read.
  ///   - keepalive: How a connection whose other end is gone is noticed.
  ///   - thread: Where its connections live.
  ///   - onAccept: Gets each connection before anything is read from it.
  static func petals(
    on address: SocketAddress, largestRequest: Int, keepalive: NodeConfiguration.Keepalive,
    thread: EventLoopExecutor,
    onAccept: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
  ) -> Self {
    var config = HTTP2ServerTransport.Posix.Config.defaults
    config.http2.targetWindowSize = window
    config.http2.maxFrameSize = frame
    config.http2.maxConcurrentStreams = streamLimit
    config.connection.flushCoalescing = nil
    config.connection.keepalive.time = keepalive.after
    config.connection.keepalive.timeout = keepalive.timeout
    // Clients ask, too; a call may end while they do.
    config.connection.keepalive.clientBehavior = .init(
      minPingIntervalWithoutCalls: minPingInterval, allowWithoutCalls: true)
    config.rpc.maxRequestPayloadSize = largestRequest
    config.channelDebuggingCallbacks.onAcceptTCPConnection = onAccept
    return .http2NIOPosix(
      address: address, transportSecurity: .plaintext, config: config,
      eventLoopGroup: thread.group)
  }
}

extension String {
  /// Whether this is an address of four numbers.
  var isIPv4: Bool {
    let parts = split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
  }
}
