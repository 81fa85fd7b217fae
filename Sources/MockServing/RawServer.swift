import NIOCore
import NIOPosix
import Synchronization

/// What a raw server does with a connection.
public struct RawScript: Sendable {
  /// How a connection ends once the reply is out.
  public enum Ending: Sendable, Hashable {
    /// An orderly end (FIN).
    case close
    /// A reset (RST).
    case reset
    /// It stays open until the server stops, or the client ends it.
    case keepOpen
  }

  /// How many bytes are read before the reply; 0 replies at once.
  public var readsFirst: Int
  /// The reply's bytes, sent as they are: they need not be HTTP.
  public var reply: [UInt8]
  /// How the connection ends.
  public var ending: Ending

  /// Makes a script.
  public init(readsFirst: Int = 1, reply: [UInt8] = [], ending: Ending = .close) {
    self.readsFirst = readsFirst
    self.reply = reply
    self.ending = ending
  }
}

/// Serves bytes over TCP while a body runs: for answers that no HTTP server would give, such as
/// half a status line and then a reset.
/// - Parameters:
///   - script: what is done with every connection.
///   - body: what is done while the server runs, with its address on 127.0.0.1.
/// - Throws: ``ServingError`` when the server cannot listen, and whatever `body` throws.
public func withRawServer<R: Sendable>(
  _ script: RawScript, isolation: isolated (any Actor)? = #isolation,
  _ body: (ServerAddress) async throws -> R
) async throws -> R {
  let configuration = ServerConfiguration(serviceName: "raw server")
  let connections = RawConnections()
  let listener: any Channel
  do {
    listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          connections.add(channel)
          try channel.pipeline.syncOperations.addHandler(RawHandler(script: script))
        }
      }
      .bind(host: configuration.host, port: configuration.port).get()
  } catch {
    throw ServingError(error, configuration)
  }
  let address = ServerAddress(
    host: configuration.host, port: listener.localAddress?.port ?? configuration.port)
  do {
    let result = try await body(address)
    try await listener.close()
    connections.close()
    return result
  } catch {
    // The body's error is the one that says what happened; a listener that cannot be closed is
    // closed already.
    _ = try? await listener.close()
    connections.close()
    throw error
  }
}

/// The connections of a raw server, to close what is open when it stops.
private final class RawConnections: Sendable {
  private struct State {
    var isClosed = false
    var open: [ObjectIdentifier: any Channel] = [:]
  }

  private let state = Mutex(State())

  func add(_ channel: any Channel) {
    let id = ObjectIdentifier(channel)
    let isLate = state.withLock { state in
      if !state.isClosed { state.open[id] = channel }
      return state.isClosed
    }
    if isLate { channel.close(promise: nil) }
    channel.closeFuture.whenComplete { _ in self.state.withLock { $0.open[id] = nil } }
  }

  func close() {
    let open = state.withLock { state in
      state.isClosed = true
      return Array(state.open.values)
    }
    for channel in open { channel.close(promise: nil) }
  }
}

/// Plays the script on one connection.
private final class RawHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let script: RawScript
  private var received = 0
  private var hasReplied = false

  init(script: RawScript) {
    self.script = script
  }

  func channelActive(context: ChannelHandlerContext) {
    replyIfDue(context)
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    received += unwrapInboundIn(data).readableBytes
    replyIfDue(context)
  }

  private func replyIfDue(_ context: ChannelHandlerContext) {
    guard !hasReplied, received >= script.readsFirst else { return }
    hasReplied = true
    let channel = context.channel
    let written = channel.writeAndFlush(ByteBuffer(bytes: script.reply))
    switch script.ending {
    case .keepOpen: break
    case .close: written.whenComplete { _ in channel.close(promise: nil) }
    case .reset:
      written.whenComplete { _ in
        channel.resetOnClose().whenComplete { _ in channel.close(promise: nil) }
      }
    }
  }
}
