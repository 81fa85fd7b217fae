import HTTPTypes
import NIOCore
import NIOWebSocket

/// Speaks WebSocket on one connection after its handshake: puts messages together, has them answered
/// in order, and writes what the service answers and pushes.
///
/// Everything here runs on the connection's event loop.
final class WebSocketHandler: ChannelDuplexHandler {
  typealias InboundIn = WebSocketFrame
  typealias OutboundIn = Never
  typealias OutboundOut = WebSocketFrame

  /// How many messages are read ahead of the one that is being answered.
  private static let readAhead = 8

  private let service: WebSocketService
  private let request: WebRequest
  private let connection: Connection
  private let connections: ConnectionTable
  private let arrival: ArrivalHandler
  private let exchange: Exchange
  private let executor: (any TaskExecutor)?
  private var context: ChannelHandlerContext?
  private var peer: WebSocketPeer?
  /// The message whose last fragment has not come.
  private var partial: WebSocketMessage?
  private var waiting: [WebSocketMessage] = []
  private var running: Task<Void, Never>?
  private var keepAlive: Task<Void, Never>?
  /// Sent when the client has ended its side.
  private let departure = StopSignal()
  /// How often something came, for the ping.
  private var arrivals = 0
  /// Whether a read was held back.
  private var wantsRead = false
  private var isStopping = false
  /// Whether a close frame was sent.
  private var isClosing = false

  /// - Parameters:
  ///   - request: the opening handshake, whose path and fields messages have for faults.
  init(
    _ service: WebSocketService, _ request: WebRequest, _ connection: Connection,
    in connections: ConnectionTable, after arrival: ArrivalHandler, _ exchange: Exchange,
    executor: (any TaskExecutor)?
  ) {
    self.service = service
    self.request = request
    self.connection = connection
    self.connections = connections
    self.arrival = arrival
    self.exchange = exchange
    self.executor = executor
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
    peer = WebSocketPeer(
      context.channel, handler, remote: connection.remote, limit: service.maximumUnsentBytes)
    let (clock, loop) = (exchange.configuration.limits.clock, context.eventLoop)
    let (interval, pongTime) = (service.pingInterval, service.pongTime)
    let (connections, connection) = (connections, connection)
    connections.hold(connection)
    keepAlive = Task {
      defer { connections.release(connection) }
      do {
        while true {
          let before = try await loop.submit { handler.value.arrivals }.get()
          try await clock.sleep(for: interval)
          guard try await loop.submit({ handler.value.ping(unlessAbove: before) }).get() else {
            continue
          }
          try await clock.sleep(for: pongTime)
          try await loop.submit { handler.value.closeIfSilent(since: before) }.get()
        }
      } catch {
        // The connection has ended, or its event loop.
      }
    }
  }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  // MARK: - Reading

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    arrivals += 1
    guard !isClosing else { return }
    let frame = unwrapInboundIn(data)
    // A client's frames are masked (§5.1), and no extension was agreed on (§5.2).
    guard frame.maskKey != nil, frame.reservedBits.isEmpty else {
      return close(.protocolError)
    }
    let bytes = frame.unmaskedData
    switch frame.opcode {
    case .text: begin(.text, frame.fin, bytes)
    case .binary: begin(.binary, frame.fin, bytes)
    case .continuation: proceed(frame.fin, bytes)
    case .ping: write(.init(fin: true, opcode: .pong, data: bytes))
    case .pong: break
    case .connectionClose: closed(by: bytes)
    default: close(.protocolError)
    }
  }

  private func begin(_ kind: WebSocketMessage.Kind, _ isWhole: Bool, _ bytes: ByteBuffer) {
    guard partial == nil else { return close(.protocolError) }
    partial = WebSocketMessage(kind, [])
    proceed(isWhole, bytes)
  }

  private func proceed(_ isLast: Bool, _ bytes: ByteBuffer) {
    guard var message = partial else { return close(.protocolError) }
    partial = nil
    guard message.bytes.count + bytes.readableBytes <= service.maximumMessageBytes else {
      return close(.messageTooLong)
    }
    message.bytes.append(contentsOf: bytes.readableBytesView)
    guard isLast else {
      partial = message
      return
    }
    if message.kind == .text, String(validating: message.bytes, as: UTF8.self) == nil {
      return close(.invalidText)
    }
    waiting.append(message)
    answerNext()
  }

  private func closed(by payload: ByteBuffer) {
    var payload = payload
    guard payload.readableBytes > 0 else { return close(.echo(nil)) }
    guard let number: UInt16 = payload.readInteger(), Self.mayBeSent(number) else {
      return close(.protocolError)
    }
    guard String(validating: payload.readableBytesView, as: UTF8.self) != nil else {
      return close(.invalidText)
    }
    close(.echo(WebSocketErrorCode(codeNumber: Int(number))))
  }

  /// Whether a code may stand in a close frame (§7.4).
  private static func mayBeSent(_ code: UInt16) -> Bool {
    switch code {
    case 1000...1003, 1007...1014, 3000...4999: true
    default: false
    }
  }

  func read(context: ChannelHandlerContext) {
    // A client that sends faster than it is answered has to wait.
    guard waiting.count < Self.readAhead || isClosing else {
      wantsRead = true
      return
    }
    context.read()
  }

  private func readOn() {
    guard wantsRead, waiting.count < Self.readAhead || isClosing else { return }
    wantsRead = false
    context?.read()
  }

  // MARK: - Answering

  private func answerNext() {
    guard running == nil, !isClosing, let context, let peer else { return }
    guard !isStopping else { return close(.goingAway) }
    guard context.channel.isWritable, !waiting.isEmpty else { return }
    let message = waiting.removeFirst()
    readOn()
    let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
    let (exchange, service, departure) = (exchange, service, departure)
    let (connections, connection) = (connections, connection)
    var request = request
    (request.method, request.body) = (.post, message.bytes)
    connections.hold(connection)
    running = Task(executorPreference: executor) { [request] in
      defer { connections.release(connection) }
      let asked = exchange.asking { _ in
        peer.beginAnswer()
        return WebResponse(await service.respond(message, peer))
      }
      let answer = await asked.answer(to: request, by: .service, departure: departure)
      if let pace = answer.pace {
        for piece in answer.pieces(pace) {
          guard await exchange.pause(pace.pause), !Task.isCancelled else { break }
          peer.endAnswer { handler.value.write(piece) }
        }
        peer.endAnswer { handler.value.finish(nil) }
      } else {
        peer.endAnswer { handler.value.finish(answer) }
      }
    }
  }

  private func finish(_ answer: Exchange.Answer?) {
    running = nil
    guard let answer else { return answerNext() }
    if let frame = answer.frame, !isClosing { write(frame) }
    guard answer.moment == nil else {
      guard let channel = context?.channel else { return }
      guard answer.ending == .reset else { return channel.close(promise: nil) }
      channel.resetOnClose().whenComplete { _ in channel.close(promise: nil) }
      return
    }
    answerNext()
  }

  func push(_ messages: [WebSocketMessage]) {
    for message in messages {
      let count = message.bytes.count
      guard !isClosing, let context, let peer else { return }
      let written = context.eventLoop.makePromise(of: Void.self)
      written.futureResult.whenComplete { _ in peer.wasSent(count) }
      let opcode: WebSocketOpcode = message.kind == .text ? .text : .binary
      context.write(
        wrapOutboundOut(
          WebSocketFrame(fin: true, opcode: opcode, data: ByteBuffer(bytes: message.bytes))),
        promise: written)
    }
    context?.flush()
    watchReader()
  }

  private func write(_ frame: WebSocketFrame) {
    guard let context else { return }
    context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
    watchReader()
  }

  /// While the client has to read before more is written, the time is the client's.
  private func watchReader() {
    if context?.channel.isWritable == false, !connection.isWriting { connection.writes() }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable, !isClosing {
      connection.requestArrived()
      answerNext()
    }
    context.fireChannelWritabilityChanged()
  }

  /// Sends a ping unless something has come meanwhile.
  private func ping(unlessAbove count: Int) -> Bool {
    guard arrivals == count, !isClosing else { return false }
    write(WebSocketFrame(fin: true, opcode: .ping, data: ByteBuffer()))
    return true
  }

  private func closeIfSilent(since count: Int) {
    if arrivals == count { context?.close(promise: nil) }
  }

  // MARK: - The end

  /// Sends a close frame and ends the server's side; the connection ends when the client ends its
  /// own, or when its time is over.
  private func close(_ reason: WebSocketCloseReason) {
    guard !isClosing, let context else { return }
    isClosing = true
    (partial, waiting) = (nil, [])
    running?.cancel()
    peer?.close()
    let channel = context.channel
    let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
    connection.lingers()
    let frame = WebSocketFrame(fin: true, opcode: .connectionClose, data: reason.payload)
    context.writeAndFlush(wrapOutboundOut(frame)).whenComplete { _ in
      // Bytes that cannot be read would make the end a reset, and the close frame might be lost.
      handler.value.arrival.discardTheRest()
      channel.close(mode: .output, promise: nil)
    }
    readOn()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    switch error {
    case NIOWebSocketError.invalidFrameLength: close(.messageTooLong)
    case is NIOWebSocketError: close(.protocolError)
    case is ByteToMessageDecoderError: break
    default: context.close(promise: nil)
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event is ClientLeft {
      departure.send()
      // What it has not read of the answers it cannot ask for again.
      context.close(promise: nil)
    }
    if event is ChannelShouldQuiesceEvent {
      isStopping = true
      answerNext()
    }
    context.fireUserInboundEventTriggered(event)
  }

  func channelInactive(context: ChannelHandlerContext) {
    departure.send()
    running?.cancel()
    keepAlive?.cancel()
    if let peer {
      peer.close()
      service.ended(peer)
    }
    context.fireChannelInactive()
  }
}

extension Exchange {
  /// The same exchange with another service.
  fileprivate func asking(
    _ respond: @escaping @Sendable (WebRequest) async -> WebResponse
  ) -> Exchange {
    Exchange(configuration: configuration, faults: faults, stopping: stopping, respond: respond)
  }
}

extension WebResponse {
  private static let binary = "application/octet-stream"

  /// A message in the form in which faults change answers.
  fileprivate init(_ message: WebSocketMessage?) {
    let isBinary = message?.kind == .binary
    self.init(headers: isBinary ? [.contentType: Self.binary] : [:], body: message?.bytes ?? [])
  }

  fileprivate var opcode: WebSocketOpcode {
    headers[.contentType] == Self.binary ? .binary : .text
  }
}

extension Exchange.Answer {
  /// The frame to write: the whole message, or the fragment after which the connection ends.
  fileprivate var frame: WebSocketFrame? {
    guard let response, !response.body.isEmpty else { return nil }
    if case .midBody(let count)? = moment {
      return WebSocketFrame(
        fin: false, opcode: response.opcode, data: ByteBuffer(bytes: response.body.prefix(count)))
    }
    return WebSocketFrame(
      fin: true, opcode: response.opcode, data: ByteBuffer(bytes: response.body))
  }

  /// The message in fragments.
  fileprivate func pieces(_ pace: Fault.Pace) -> [WebSocketFrame] {
    guard let response else { return [] }
    let body = response.body
    return stride(from: 0, to: body.count, by: pace.bytes).map { start in
      let end = min(body.count - start, pace.bytes) + start
      return WebSocketFrame(
        fin: end == body.count, opcode: start == 0 ? response.opcode : .continuation,
        data: ByteBuffer(bytes: body[start..<end]))
    }
  }
}
