import HTTPTypes
import NIOCore
import NIOHTTP1

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Puts the requests of one connection together, has each answered, and writes the answers.
///
/// The handler before it lets one request through at a time. What is complete is answered, in order,
/// whatever comes behind it: the client's end, bytes that are no HTTP, or requests behind one that
/// asked for the connection's end (RFC 9112 §9.6). Everything here runs on the connection's event
/// loop.
final class ConnectionHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let exchange: Exchange
  private let connection: Connection
  private let connections: ConnectionTable
  private let arrival: ArrivalHandler
  private let executor: LoopTaskExecutor?
  private var head: HTTPRequestHead?
  private var body: [UInt8] = []
  /// Whether the request was handed to the service, or answered without it.
  private var isHandedOver = false
  private var hasEnded = false
  private var hasAnswered = false
  private var drained = 0
  /// An answer that is written but for its end: the peer has to read before the next request's turn
  /// comes.
  private var held: Exchange.Answer?
  private var running: Task<Void, Never>?
  /// Whether a request may follow the one in hand.
  private var takesMore = true
  /// Whether the client has ended its side.
  private var hasInputEnded = false
  /// Whether the connection's last answer is on its way, or out.
  private var isOver = false
  /// Sent when the client has ended its side.
  private let departure = StopSignal()

  init(
    _ exchange: Exchange, _ connection: Connection, in connections: ConnectionTable,
    after arrival: ArrivalHandler, executor: LoopTaskExecutor?
  ) {
    self.exchange = exchange
    self.connection = connection
    self.connections = connections
    self.arrival = arrival
    self.executor = executor
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isOver else { return }
    switch unwrapInboundIn(data) {
    case .head(let head): begin(head, context)
    case .body(let bytes): receive(bytes, context)
    case .end: end(context)
    }
  }

  private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
    self.head = head
    arrival.headArrived()
    body.removeAll(keepingCapacity: true)
    (isHandedOver, hasEnded, hasAnswered, drained) = (false, false, false, 0)
    guard head.namesOneHost else {
      refuse(.badRequest, context)
      return
    }
    // The parser reads nothing behind a request for another protocol, which nobody here speaks.
    if head.asksForAnotherProtocol { takesMore = false }
    if head.isOfVersion11,
      head.headers["expect"].contains(where: { $0.lowercased() == "100-continue" })
    {
      let go = HTTPResponseHead(version: head.version, status: .continue)
      context.writeAndFlush(wrapOutboundOut(.head(go)), promise: nil)
    }
  }

  private func receive(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
    guard !isHandedOver else {
      drained += bytes.readableBytes
      if drained > ArrivalHandler.drainLimit { context.close(promise: nil) }
      return
    }
    let limit = exchange.configuration.maximumBodyBytes
    body.append(contentsOf: bytes.readableBytesView)
    guard body.count > limit else { return }
    body.removeLast(body.count - limit - 1)
    handOver(isOversized: true, context)
  }

  private func end(_ context: ChannelHandlerContext) {
    hasEnded = true
    if !isHandedOver { handOver(isOversized: false, context) }
    if hasAnswered { beIdle() }
  }

  private func handOver(isOversized: Bool, _ context: ChannelHandlerContext) {
    guard let head else { return }
    isHandedOver = true
    connection.requestArrived()
    guard let method = HTTPRequest.Method(rawValue: head.method.rawValue) else {
      refuse(.badRequest, context)
      return
    }
    let request = WebRequest(
      method, head.uri, headers: HTTPFields(head.headers), body: body, remote: connection.remote)
    // The request has the bytes now, and lets go of them when it is done with.
    body = []
    let loopBound = NIOLoopBound(self, eventLoop: context.eventLoop)
    let channel = context.channel
    let loop = context.eventLoop
    let (exchange, connections, connection) = (exchange, connections, connection)
    let departure = departure
    connections.hold(connection)
    running = Task(executorPreference: executor) {
      defer { connections.release(connection) }
      let answer = await exchange.answer(
        to: request, isOversized: isOversized, departure: departure)
      if let pace = answer.pace {
        await exchange.write(answer, to: request, slowly: pace, on: channel)
        loop.execute { loopBound.value.conclude(answer, with: .end(nil), channel) }
      } else if loop.inEventLoop {
        loopBound.value.write(answer, isHead: request.method == .head, channel)
      } else {
        let isHead = request.method == .head
        loop.execute { loopBound.value.write(answer, isHead: isHead, channel) }
      }
    }
  }

  private func write(_ answer: Exchange.Answer, isHead: Bool, _ channel: any Channel) {
    guard let response = answer.response else {
      end(channel, answer.ending)
      return
    }
    let pipeline = channel.pipeline.syncOperations
    let goesOn = isKeptAlive(answer)
    let parts = response.parts(isHead: isHead, isKeptAlive: goesOn)
    pipeline.write(NIOAny(HTTPServerResponsePart.head(parts.head)), promise: nil)
    var last = HTTPServerResponsePart.end(nil)
    if case .midBody(let count)? = answer.moment {
      last = .body(.byteBuffer(ByteBuffer(bytes: response.body.prefix(count))))
    } else if let body = parts.body {
      pipeline.write(NIOAny(HTTPServerResponsePart.body(.byteBuffer(body))), promise: nil)
    }
    if goesOn {
      if !channel.isWritable { pipeline.flush() }
      guard channel.isWritable else {
        held = answer
        connection.ends()
        return
      }
    }
    conclude(answer, with: last, channel)
  }

  /// Writes the last part of an answer.
  ///
  /// Where the connection goes on, what follows the answer comes before: its end lets the next
  /// request in at once.
  private func conclude(
    _ answer: Exchange.Answer, with last: HTTPServerResponsePart, _ channel: any Channel
  ) {
    let pipeline = channel.pipeline.syncOperations
    guard !isKeptAlive(answer) else {
      finish(answer, channel)
      pipeline.writeAndFlush(NIOAny(last), promise: nil)
      return
    }
    connection.ends()
    // The answer's end lets in what stands behind the request.
    isOver = true
    // A connection must not end before what was written is out.
    let written = channel.eventLoop.makePromise(of: Void.self)
    let loopBound = NIOLoopBound(self, eventLoop: channel.eventLoop)
    written.futureResult.whenComplete { _ in loopBound.value.finish(answer, channel) }
    pipeline.writeAndFlush(NIOAny(last), promise: written)
  }

  /// What follows an answer: the next request, or the connection's end.
  private func finish(_ answer: Exchange.Answer, _ channel: any Channel) {
    running = nil
    hasAnswered = true
    guard isKeptAlive(answer) else {
      if answer.moment == nil { sayGoodbye(channel) } else { end(channel, answer.ending) }
      return
    }
    if hasEnded { beIdle() } else { connection.ends() }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if let answer = held, context.channel.isWritable {
      held = nil
      conclude(answer, with: .end(nil), context.channel)
    }
    context.fireChannelWritabilityChanged()
  }

  private func beIdle() {
    connection.answered()
    arrival.requestEnded()
  }

  private func isKeptAlive(_ answer: Exchange.Answer) -> Bool {
    answer.moment == nil && takesMore && head?.isKeepAlive == true
  }

  /// Ends the server's side once everything is out, and the connection once the client has ended its
  /// side too.
  ///
  /// What the client has sent meanwhile is read: a connection that is closed on unread bytes is
  /// reset, and with that the client may lose the answer (RFC 9112 §9.6).
  private func sayGoodbye(_ channel: any Channel) {
    isOver = true
    guard !hasInputEnded, !connections.isStopping else {
      connection.ends()
      arrival.closeWhenWritten()
      return
    }
    arrival.discardTheRest()
    connection.lingers()
    channel.close(mode: .output, promise: nil)
    // The server may have begun to stop just now.
    if connections.isStopping { arrival.closeWhenWritten() }
  }

  private func inputEnded(_ context: ChannelHandlerContext) {
    takesMore = false
    hasInputEnded = true
    departure.send()
    guard !isOver else {
      if connection.isLingering { context.close(promise: nil) }
      return
    }
    if head == nil || hasAnswered {
      sayGoodbye(context.channel)
    } else if !isHandedOver {
      // The rest of the request never comes.
      refuse(.badRequest, context)
    }
    // A request in hand is answered first.
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if let event = event as? ChannelEvent, event == .inputClosed { inputEnded(context) }
    context.fireUserInboundEventTriggered(event)
  }

  private func end(_ channel: any Channel, _ ending: Fault.Ending) {
    guard ending == .reset else {
      channel.close(promise: nil)
      return
    }
    channel.resetOnClose().whenComplete { _ in channel.close(promise: nil) }
  }

  /// Answers without the service, and ends the connection.
  private func refuse(_ status: HTTPResponseStatus, _ context: ChannelHandlerContext) {
    isHandedOver = true
    isOver = true
    connection.ends()
    let headers: HTTPHeaders = ["Connection": "close", "Content-Length": "0"]
    let head = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    let channel = context.channel
    let loopBound = NIOLoopBound(self, eventLoop: context.eventLoop)
    context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
      loopBound.value.sayGoodbye(channel)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    guard let error = error as? HTTPParserError else {
      // More bytes behind those that were no HTTP are no news.
      if !(error is ByteToMessageDecoderError) { context.close(promise: nil) }
      return
    }
    guard !isOver else { return }
    guard !isHandedOver || (hasAnswered && hasEnded) else {
      // What cannot be read stands behind the request in hand, or in the rest of its body, which the
      // answer does not need.
      takesMore = false
      if hasAnswered { sayGoodbye(context.channel) }
      return
    }
    // A request that is no HTTP is told so.
    refuse(error == .headerOverflow ? .requestHeaderFieldsTooLarge : .badRequest, context)
  }

  func channelInactive(context: ChannelHandlerContext) {
    running?.cancel()
    context.fireChannelInactive()
  }
}

extension Channel {
  /// Makes the next close a reset: with a linger time of zero the system drops what is unsent and
  /// sends RST in place of FIN (socket(7), SO_LINGER).
  func resetOnClose() -> EventLoopFuture<Void> {
    guard let options = self as? any SocketOptionProvider else {
      return eventLoop.makeSucceededVoidFuture()
    }
    return options.setSoLinger(linger(l_onoff: 1, l_linger: 0))
  }
}
