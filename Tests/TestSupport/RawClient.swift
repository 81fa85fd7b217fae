package import MockServing
import NIOCore
import NIOPosix
import Synchronization

/// An HTTP client that sends bytes as they are and keeps what comes.
package final class RawClient: Sendable {
  private let channel: any Channel
  /// Everything that came so far, recorded anew whenever more of it came; the latest is kept.
  package let received = Journal<String>(capacity: 1)
  /// Recorded once the server has ended the connection.
  package let ended = Journal<Bool>()

  /// Runs a body with a connection.
  package static func connected<R: Sendable>(
    to address: ServerAddress, reads: Bool = true, receiveBuffer: Int? = nil,
    _ body: (RawClient) async throws -> R
  ) async throws -> R {
    let client = try await RawClient(address, reads: reads, receiveBuffer: receiveBuffer)
    do {
      let result = try await body(client)
      await client.close()
      return result
    } catch {
      await client.close()
      throw error
    }
  }

  /// - Parameters:
  ///   - reads: whether it reads what comes; otherwise it does so once it is asked to, or when the
  ///     server ends the connection.
  ///   - receiveBuffer: bytes that the system takes for it; nil for the system's own choice.
  package init(
    _ address: ServerAddress, reads: Bool = true, receiveBuffer: Int? = nil
  ) async throws {
    let (received, ended) = (received, ended)
    var bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelOption(.autoRead, value: reads)
    if let receiveBuffer {
      bootstrap = bootstrap.channelOption(
        .socketOption(.so_rcvbuf), value: .init(receiveBuffer))
    }
    channel =
      try await bootstrap
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Keeper(received, ended))
        }
      }
      .connect(host: address.host, port: address.port).get()
  }

  package func send(_ text: String) async throws {
    try await channel.writeAndFlush(ByteBuffer(string: text))
  }

  /// Sends bytes; that the server ends the connection amid them is no error.
  package func send(_ bytes: [UInt8]) async throws {
    do {
      try await channel.writeAndFlush(ByteBuffer(bytes: bytes))
    } catch is ChannelError {
      // The server was first, with its answer.
    } catch is IOError {
      // Likewise.
    }
  }

  /// Sends bytes and ends the client's side: it sends nothing more, and reads on.
  package func sendLast(_ text: String) async throws {
    do {
      try await send(text)
      try await channel.close(mode: .output)
    } catch is ChannelError {
      // The server was first, with its answer.
    } catch is IOError {
      // Likewise.
    }
  }

  /// Sends bytes and ends the client's side, both at once on the connection's own thread: as little
  /// as can be is between them.
  package func sendLastAtOnce(_ text: String) async throws {
    let channel = channel
    try await channel.eventLoop.submit {
      channel.writeAndFlush(ByteBuffer(string: text), promise: nil)
      channel.close(mode: .output, promise: nil)
    }.get()
  }

  /// Reads once, at least a byte of what comes.
  package func read() { channel.read() }

  /// Reads all that comes from now on; without effect once the connection has ended.
  package func startReading() async throws {
    do {
      try await channel.setOption(.autoRead, value: true).get()
    } catch is ChannelError {
      // The server was first.
    }
  }

  /// Waits until what came holds a text.
  @discardableResult
  package func wait(for text: String) async throws -> String {
    try await received.next { $0.contains(text) }
  }

  /// Waits until the server ends the connection.
  /// - Returns: everything that came.
  @discardableResult
  package func waitForEnd() async throws -> String {
    _ = try await ended.next()
    return received.entries.last ?? ""
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
    private let received: Journal<String>
    private let ended: Journal<Bool>
    private var text = ""

    init(_ received: Journal<String>, _ ended: Journal<Bool>) {
      self.received = received
      self.ended = ended
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      text += String(buffer: unwrapInboundIn(data))
      received.record(text)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
      received.record(text)
      ended.record(true)
    }
  }
}
