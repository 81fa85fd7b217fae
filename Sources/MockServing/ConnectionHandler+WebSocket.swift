import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOWebSocket

/// The opening handshake of WebSocket (RFC 6455 §4.2).
extension ConnectionHandler {
  /// Answers a request to become a WebSocket connection: with 101, or with what is wrong with it.
  func upgrade(
    _ head: HTTPRequestHead, to service: WebSocketService, _ context: ChannelHandlerContext
  ) {
    if let refusal = head.webSocketRefusal {
      refuse(with: refusal, context)
      return
    }
    let channel = context.channel
    let loopBound = NIOLoopBound(self, eventLoop: context.eventLoop)
    // NIO computes the key's answer; the pipeline is changed here.
    let upgrader = NIOWebSocketServerUpgrader(
      shouldUpgrade: { channel, _ in channel.eventLoop.makeSucceededFuture([:]) },
      upgradePipelineHandler: { channel, _ in channel.eventLoop.makeSucceededVoidFuture() })
    upgrader.buildUpgradeResponse(
      channel: channel, upgradeRequest: head, initialResponseHeaders: [:]
    ).whenComplete { [service] result in
      switch result {
      case .success(let fields): loopBound.value.become(service, head, fields, channel)
      case .failure: channel.close(promise: nil)
      }
    }
  }

  private func become(
    _ service: WebSocketService, _ head: HTTPRequestHead, _ fields: HTTPHeaders,
    _ channel: any Channel
  ) {
    let pipeline = channel.pipeline.syncOperations
    let answer = HTTPResponseHead(
      version: .http1_1, status: .switchingProtocols, headers: fields)
    pipeline.write(NIOAny(HTTPServerResponsePart.head(answer)), promise: nil)
    pipeline.writeAndFlush(NIOAny(HTTPServerResponsePart.end(nil)), promise: nil)
    let request = WebRequest(
      .get, head.uri, headers: HTTPFields(head.headers), remote: connection.remote)
    do {
      let old: [any RemovableChannelHandler] = [
        try pipeline.handler(type: HTTPServerPipelineHandler.self),
        try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self),
        try pipeline.handler(type: HTTPResponseEncoder.self), self,
      ]
      let handler = WebSocketHandler(
        service, request, connection, in: connections, after: arrival, exchange,
        executor: executor)
      try pipeline.addHandlers([
        WebSocketFrameEncoder(),
        ByteToMessageHandler(
          WebSocketFrameDecoder(maxFrameSize: service.maximumMessageBytes)),
        handler,
      ])
      for handler in old { pipeline.removeHandler(handler, promise: nil) }
    } catch {
      // A pipeline that lacks one of them is being torn down.
      channel.close(promise: nil)
    }
    // The server may have begun to stop just now.
    if connections.isStopping {
      channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    }
  }
}

extension HTTPRequestHead {
  /// Whether the client asks for a WebSocket connection.
  var asksForWebSocket: Bool {
    headers[canonicalForm: "upgrade"].contains { $0.lowercased() == "websocket" }
  }

  /// The answer to a handshake that is none; nil for a sound one.
  fileprivate var webSocketRefusal: WebResponse? {
    guard method == .GET, isOfVersion11 else {
      return .text("a WebSocket handshake is a GET request of HTTP/1.1\n", status: .badRequest)
    }
    guard headers[canonicalForm: "connection"].contains(where: { $0.lowercased() == "upgrade" })
    else {
      return .text("the field Connection does not name Upgrade\n", status: .badRequest)
    }
    guard headers["sec-websocket-version"] == ["13"] else {
      return .text(
        "the only version of WebSocket is 13\n", status: .upgradeRequired,
        headers: [
          .upgrade: "websocket", .secWebSocketVersion: "13", .connection: "Upgrade, close",
        ])
    }
    let keys = headers["sec-websocket-key"]
    guard keys.count == 1, Self.isWebSocketKey(keys[0]) else {
      return .text("Sec-WebSocket-Key is not 16 bytes in base64\n", status: .badRequest)
    }
    return nil
  }

  /// Whether a text is 16 bytes in base64: 22 digits, the last of 2 bits, and two pads.
  private static func isWebSocketKey(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard bytes.count == 24, bytes.suffix(2) == Array("==".utf8)[...] else { return false }
    let digits = bytes.prefix(22).allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"):
        true
      default: false
      }
    }
    return digits && "AQgw".utf8.contains(bytes[21])
  }
}
