import MockServing
import NIOCore
import NIOPosix
import Synchronization

/// A client that sends bytes as they are, and keeps what comes.
final class RawClient: Sendable {
  private let channel: any Channel
  /// Everything that came so far, recorded anew whenever more of it came.
  let received = Journal<String>()
  /// Recorded once the server has ended the connection.
  let ended = Journal<Bool>()

  /// Runs a body with a connection.
  static func connected<R: Sendable>(
    to address: ServerAddress, reads: Bool = true, _ body: (RawClient) async throws -> R
  ) async throws -> R {
    let client = try await RawClient(address, reads: reads)
    do {
      let result = try await body(client)
      await client.close()
      return result
    } catch {
      await client.close()
      throw error
    }
  }

  /// - Parameter reads: whether it reads what comes; otherwise it does not before the server ends
  ///   the connection, and keeps nothing of it.
  init(_ address: ServerAddress, reads: Bool = true) async throws {
    let (received, ended) = (received, ended)
    channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelOption(.autoRead, value: reads)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Keeper(reads ? received : nil, ended))
        }
      }
      .connect(host: address.host, port: address.port).get()
  }

  func send(_ text: String) async throws {
    try await channel.writeAndFlush(ByteBuffer(string: text))
  }

  /// Sends bytes and ends the client's side: it sends nothing more, and reads on.
  func sendLast(_ text: String) async throws {
    do {
      try await send(text)
      try await channel.close(mode: .output)
    } catch is ChannelError {
      // The server was first, with its answer.
    } catch is IOError {
      // Likewise.
    }
  }

  /// Waits until what came holds a text.
  @discardableResult
  func wait(for text: String) async throws -> String {
    try await received.next { $0.contains(text) }
  }

  /// Waits until the server ends the connection.
  /// - Returns: everything that came.
  @discardableResult
  func waitForEnd() async throws -> String {
    _ = try await ended.next()
    return received.entries.last ?? ""
  }

  func close() async {
    do {
      try await channel.close()
    } catch {
      // The server was first.
    }
  }

  private final class Keeper: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    /// Where what comes is kept; nil to drop it.
    private let received: Journal<String>?
    private let ended: Journal<Bool>
    private var text = ""

    init(_ received: Journal<String>?, _ ended: Journal<Bool>) {
      self.received = received
      self.ended = ended
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      guard let received else { return }
      text += String(buffer: unwrapInboundIn(data))
      received.record(text)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
      received?.record(text)
      ended.record(true)
    }
  }
}
