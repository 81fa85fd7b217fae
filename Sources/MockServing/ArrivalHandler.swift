import NIOCore
import NIOHTTP1

/// Notes when bytes come, before they are understood.
final class ArrivalHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  /// A read may bring some of the body along with the head.
  private static let slack = 64 << 10

  private let connection: Connection
  private let limit: Int
  /// How many bytes came of a head that is not complete; nil behind the head.
  private var headBytes: Int? = 0

  init(_ connection: Connection, headerBytes: Int) {
    self.connection = connection
    limit = headerBytes + Self.slack
  }

  func headArrived() { headBytes = nil }

  func requestEnded() { headBytes = 0 }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    connection.bytesArrived()
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
