import NIOCore
import NIOPosix
import PetalsNode
import Testing

/// An HTTP client that sends bytes as they are and keeps what comes.
struct SocketClient: Sendable {
  private let connection: NIOAsyncChannel<ByteBuffer, ByteBuffer>

  /// Connects to a node's HTTP API.
  ///
  /// - Parameter receiveBuffer: Bytes that the system takes for it; nil for its own choice.
  init(to node: PetalsNode, receiveBuffer: Int? = nil) async throws {
    let address = try #require(node.httpAddress)
    var bootstrap = ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
    if let receiveBuffer {
      bootstrap = bootstrap.channelOption(
        .socketOption(.so_rcvbuf), value: .init(receiveBuffer))
    }
    connection = try await bootstrap.connect(host: address.host, port: address.port) { channel in
      channel.eventLoop.makeCompletedFuture {
        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
          wrappingChannelSynchronously: channel,
          configuration: .init(
            backPressureStrategy: .init(lowWatermark: 1, highWatermark: 1),
            isOutboundHalfClosureEnabled: true))
      }
    }
  }

  /// Sends a request and gives all that comes until the node closes the connection.
  static func answer(of node: PetalsNode, to request: String) async throws -> String {
    try await SocketClient(to: node).run { client in
      try await client.send(request)
      return try await client.rest()
    }
  }

  /// Runs a body, and closes the connection.
  func run<Result>(
    _ body: (inout Exchange) async throws -> Result
  ) async throws -> Result {
    try await connection.executeThenClose { inbound, outbound in
      var exchange = Exchange(inbound: inbound.makeAsyncIterator(), outbound: outbound)
      return try await body(&exchange)
    }
  }

  struct Exchange {
    fileprivate var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    fileprivate let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private(set) var received = ""

    fileprivate init(
      inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
      outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) {
      self.inbound = inbound
      self.outbound = outbound
    }

    func send(_ text: String) async throws { try await outbound.write(ByteBuffer(string: text)) }

    /// Reads until what came holds a text, or the node closes the connection.
    mutating func read(until text: String) async throws -> String {
      while !received.contains(text), let bytes = try await inbound.next() {
        received += String(buffer: bytes)
      }
      return received
    }

    /// Reads until the node closes the connection; a reset is an end, too.
    mutating func rest() async throws -> String {
      do {
        while let bytes = try await inbound.next() { received += String(buffer: bytes) }
      } catch is IOError {
        // The node closed a connection on which something was unread.
      }
      return received
    }
  }
}
