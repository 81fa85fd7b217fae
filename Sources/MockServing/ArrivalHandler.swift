import NIOCore
import NIOHTTP1

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

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    // The end itself may have to wait behind requests that have no answer yet.
    if event as? ChannelEvent == .inputClosed {
      context.fireUserInboundEventTriggered(ClientLeft())
    }
    context.fireUserInboundEventTriggered(event)
  }
}

/// Sent along a connection as soon as the client has ended its side.
struct ClientLeft: Sendable {}

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
