import MockServing
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Serves one answer over HTTPS while a body runs, with the tests' certificate.
func withSecureServer<R: Sendable>(
  answer: String, _ body: (_ url: String) async throws -> R
) async throws -> R {
  let certificate = try NIOSSLCertificate.fromPEMBytes(Array(TestCertificates.server.utf8))
  let key = try NIOSSLPrivateKey(bytes: Array(TestCertificates.serverKey.utf8), format: .pem)
  let context = try NIOSSLContext(
    configuration: .makeServerConfiguration(
      certificateChain: certificate.map { .certificate($0) }, privateKey: .privateKey(key)))
  let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
    .childChannelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(NIOSSLServerHandler(context: context))
        try pipeline.configureHTTPServerPipeline()
        try pipeline.addHandler(FixedAnswer(text: answer))
      }
    }
    .bind(host: "127.0.0.1", port: 0).get()
  do {
    let result = try await body("https://127.0.0.1:\(listener.localAddress?.port ?? 0)")
    try await listener.close()
    return result
  } catch {
    try await listener.close()
    throw error
  }
}

/// Answers every request with the same text, and ends the connection.
private final class FixedAnswer: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let text: String

  init(text: String) { self.text = text }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard case .end = unwrapInboundIn(data) else { return }
    let headers: HTTPHeaders = ["Content-Length": "\(text.utf8.count)", "Connection": "close"]
    let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
    let channel = context.channel
    context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
      channel.close(promise: nil)
    }
  }
}
