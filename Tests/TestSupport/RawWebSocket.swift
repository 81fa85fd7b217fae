package import MockServing
import NIOCore
import NIOPosix

/// A WebSocket client that sends bytes as they are and keeps the frames that come.
package final class RawWebSocket: Sendable {
  /// A frame as the server sent it (RFC 6455 §5.2).
  package struct Frame: Sendable, Hashable, CustomStringConvertible {
    /// The first byte: whether it is the last fragment, and the opcode.
    package let first: UInt8
    package let payload: [UInt8]

    package init(_ first: UInt8, _ payload: [UInt8]) {
      self.first = first
      self.payload = payload
    }

    package init(_ first: UInt8, _ text: String) { self.init(first, Array(text.utf8)) }

    package var text: String { String(decoding: payload, as: UTF8.self) }
    package var description: String { "\(String(first, radix: 16)) \(text)" }

    /// A close frame with a code.
    package static func close(_ code: UInt16) -> Frame {
      Frame(0x88, [UInt8(code >> 8), UInt8(code & 0xff)])
    }
  }

  private let channel: any Channel
  /// The server's answer to the handshake.
  package let head = Journal<String>()
  package let frames = Journal<Frame>()
  /// Recorded once the server has ended the connection; with an error when it was reset.
  package let ended = Journal<String>()

  /// The key of RFC 6455 §1.3; its answer is `s3pPLMBiTxaQ9kYGzzhZRbK+xOo=`.
  package static let handshake = """
    GET /chat HTTP/1.1\r
    Host: server.example.com\r
    Upgrade: websocket\r
    Connection: Upgrade\r
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
    Sec-WebSocket-Version: 13\r
    \r

    """

  /// Runs a body with a connection whose handshake was accepted.
  package static func connected<R: Sendable>(
    to address: ServerAddress, _ body: (RawWebSocket) async throws -> R
  ) async throws -> R {
    let client = try await RawWebSocket(address)
    do {
      try await client.send(Array(handshake.utf8))
      _ = try await client.head.next()
      let result = try await body(client)
      await client.close()
      return result
    } catch {
      await client.close()
      throw error
    }
  }

  package init(_ address: ServerAddress) async throws {
    let (head, frames, ended) = (head, frames, ended)
    channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Keeper(head, frames, ended))
        }
      }
      .connect(host: address.host, port: address.port).get()
  }

  /// Sends bytes as they are.
  package func send(_ bytes: [UInt8]) async throws {
    try await channel.writeAndFlush(ByteBuffer(bytes: bytes))
  }

  /// Sends a masked frame.
  package func send(_ first: UInt8, _ payload: [UInt8]) async throws {
    try await send(Self.masked(first, payload))
  }

  /// Sends a masked message of text.
  package func send(_ text: String) async throws { try await send(0x81, Array(text.utf8)) }

  /// A frame with the mask of the examples in RFC 6455 §5.7.
  package static func masked(_ first: UInt8, _ payload: [UInt8]) -> [UInt8] {
    let mask: [UInt8] = [0x37, 0xfa, 0x21, 0x3d]
    let count = payload.count
    let length: [UInt8]
    switch count {
    case ..<126: length = [0x80 | UInt8(count)]
    case ..<65536: length = [0xfe, UInt8(count >> 8), UInt8(count & 0xff)]
    default: length = [0xff] + (0..<8).map { UInt8(truncatingIfNeeded: count >> (56 - 8 * $0)) }
    }
    return [first] + length + mask + payload.enumerated().map { $1 ^ mask[$0 % 4] }
  }

  package func close() async {
    do {
      try await channel.close()
    } catch {
      // The server was first.
    }
  }

  private final class Keeper: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let head: Journal<String>
    private let frames: Journal<Frame>
    private let ended: Journal<String>
    private var bytes: [UInt8] = []
    private var hasHead = false
    private var error = ""

    init(_ head: Journal<String>, _ frames: Journal<Frame>, _ ended: Journal<String>) {
      self.head = head
      self.frames = frames
      self.ended = ended
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      bytes += unwrapInboundIn(data).readableBytesView
      if !hasHead {
        let end = bytes.indices.first { bytes[$0...].starts(with: Array("\r\n\r\n".utf8)) }
        guard let end else { return }
        hasHead = true
        let text = String(decoding: bytes[..<end], as: UTF8.self)
        bytes.removeFirst(end + 4)
        head.record(text)
      }
      while let frame = nextFrame() { frames.record(frame) }
    }

    private func nextFrame() -> Frame? {
      guard bytes.count >= 2 else { return nil }
      var (start, count) = (2, Int(bytes[1]))
      if count >= 126 {
        let size = count == 126 ? 2 : 8
        guard bytes.count >= 2 + size else { return nil }
        start = 2 + size
        count = bytes[2..<start].reduce(0) { $0 << 8 | Int($1) }
      }
      guard bytes.count >= start + count else { return nil }
      defer { bytes.removeFirst(start + count) }
      return Frame(bytes[0], Array(bytes[start..<(start + count)]))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      self.error = "\(error)"
      context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { ended.record(error) }
  }
}
