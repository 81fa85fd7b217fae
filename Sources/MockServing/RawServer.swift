import NIOCore
import NIOHTTP1
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

/// Notes when bytes come, before they are understood, and throws away what comes behind the last
/// request.
///
/// It stands next to the socket, so that what it writes is out when everything before it is.
final class ArrivalHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// A read may bring some of the body along with the head.
  private static let slack = 64 << 10

  private let connection: Connection
  private let limit: Int
  /// How many bytes came of a head that is not complete; nil behind the head.
  private var headBytes: Int? = 0
  /// How many bytes were thrown away; nil as long as requests are taken.
  private var discarded: Int?
  private var context: ChannelHandlerContext?

  /// How much is read behind the last request before the connection is closed: enough for a client
  /// that sends first and reads after, not enough to be flooded.
  static let drainLimit = 16 << 20

  init(_ connection: Connection, headerBytes: Int) {
    self.connection = connection
    let (sum, overflows) = headerBytes.addingReportingOverflow(Self.slack)
    limit = overflows ? .max : sum
  }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  /// Takes no more requests: what comes is read, so that the answer is not lost to a reset, and
  /// thrown away.
  func discardTheRest() {
    if discarded == nil { discarded = 0 }
  }

  /// Closes the connection once everything that was written is out.
  func closeWhenWritten() {
    guard let context else { return }
    let channel = context.channel
    context.writeAndFlush(wrapOutboundOut(ByteBuffer())).whenComplete { _ in
      channel.close(promise: nil)
    }
  }

  func headArrived() { headBytes = nil }

  func requestEnded() { headBytes = 0 }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    connection.bytesArrived()
    if let bytes = discarded {
      // Both are far below the end of the type.
      let sum = bytes + unwrapInboundIn(data).readableBytes
      discarded = sum
      if sum > Self.drainLimit { context.close(promise: nil) }
      return
    }
    if let bytes = headBytes {
      // The parser limits the fields, but not the line before them.
      let sum = bytes + unwrapInboundIn(data).readableBytes
      headBytes = sum
      guard sum <= limit else {
        context.fireErrorCaught(HTTPParserError.headerOverflow)
        return
      }
    }
    context.fireChannelRead(data)
  }
}

/// Tells a connection that is one too many so, and closes it.
final class RefusingHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  func channelActive(context: ChannelHandlerContext) {
    let answer =
      "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    let channel = context.channel
    channel.writeAndFlush(ByteBuffer(string: answer)).whenComplete { _ in
      channel.close(promise: nil)
    }
  }
}
