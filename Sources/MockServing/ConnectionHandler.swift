import AsyncPrimitives
import HTTPTypes
package import NIOCore
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
final class ConnectionHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  let exchange: Exchange
  let connection: Connection
  let connections: ConnectionTable
  let arrival: ArrivalHandler
  let executor: (any TaskExecutor)?
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
  private var hasClientLeft = false
  /// Whether the answer in hand is made only as long as the client stays.
  private var endsWithClient = false

  init(
    _ exchange: Exchange, _ connection: Connection, in connections: ConnectionTable,
    after arrival: ArrivalHandler, executor: (any TaskExecutor)?
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
    endsWithClient = false
    guard head.namesOneHost else {
      isHandedOver = true
      connection.requestArrived()
      let response = exchange.configuration.errorResponse(.invalidHost)
      write(.init(response: response), isHead: head.method == .HEAD, context.channel)
      return
    }
    // The parser reads nothing behind a request for another protocol.
    if head.asksForAnotherProtocol { takesMore = false }
    if head.expectsContinue {
      if let early = request(head).flatMap({ exchange.configuration.answerBeforeBody?($0) }) {
        handOver(to: .early(early), context)
        return
      }
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
    handOver(to: .oversized, context)
  }

  private func end(_ context: ChannelHandlerContext) {
    hasEnded = true
    if !isHandedOver, let head, let service = exchange.webSocket, head.asksForWebSocket {
      isHandedOver = true
      connection.requestArrived()
      upgrade(head, to: service, context)
      return
    }
    if !isHandedOver { handOver(to: .service, context) }
    if hasAnswered { beIdle() }
  }

  /// The request with what came of its body; nil for a method that is none.
  private func request(_ head: HTTPRequestHead) -> WebRequest? {
    // SwiftNIO has this name without its hyphen (UPnP Device Architecture 1.1, 1.3.2).
    let name = head.method == .MSEARCH ? "M-SEARCH" : head.method.rawValue
    return HTTPRequest.Method(rawValue: name).map {
      WebRequest(
        $0, head.uri, headers: HTTPFields(head.headers), body: body, remote: connection.remote)
    }
  }

  private func handOver(to responder: Exchange.Responder, _ context: ChannelHandlerContext) {
    guard let head else { return }
    isHandedOver = true
    connection.requestArrived()
    guard let request = request(head) else {
      refuse(.malformed, context)
      return
    }
    // The request has the bytes now, and lets go of them when it is done with.
    body = []
    let isHead = request.method == .head
    let isVersion11 = head.isOfVersion11
    let mayGoOn = takesMore && head.letsConnectionGoOn
    let loopBound = NIOLoopBound(self, eventLoop: context.eventLoop)
    let channel = context.channel
    let loop = context.eventLoop
    let (exchange, connections, connection) = (exchange, connections, connection)
    let departure = departure
    connections.hold(connection)
    running = Task(executorPreference: executor) {
      defer { connections.release(connection) }
      var answer = await exchange.answer(to: request, by: responder, departure: departure)
      if let response = answer.response, response.isStreamed || answer.pace != nil, !isHead {
        if response.isStreamed, !(await loopBound.ask(on: loop) { $0.waitForClient(channel) }) {
          return
        }
        let goesOn = mayGoOn && answer.moment == nil && !response.endsConnection
        let pieces = PieceWriter(
          answer, response, isKeptAlive: goesOn, isChunked: isVersion11, on: channel,
          of: connection, exchange)
        let message = exchange.monitor == nil ? nil : request.body
        let end = await IdleMonitor.$answering.withValue(message) { await pieces.run() }
        switch end {
        case .complete:
          loop.execute { [answer] in
            loopBound.value.conclude(answer, with: .end(nil), channel)
          }
          return
        case .cutOff:
          loop.execute { [answer] in loopBound.value.breakOff(answer, channel) }
          return
        case .instead(let whole):
          answer.response = answer.change?(whole) ?? whole
          answer.response?.stream = nil
        }
      }
      if loop.inEventLoop {
        loopBound.value.write(answer, isHead: isHead, channel)
      } else {
        loop.execute { [answer] in loopBound.value.write(answer, isHead: isHead, channel) }
      }
    }
  }

  /// Ends the answer in hand with its client from now on.
  /// - Returns: false when the client has left already.
  private func waitForClient(_ channel: any Channel) -> Bool {
    guard !hasClientLeft else {
      giveUp(channel)
      return false
    }
    endsWithClient = true
    return true
  }

  private func giveUp(_ channel: any Channel) {
    running?.cancel()
    breakOff(.init(), channel)
  }

  /// Ends the connection amid an answer.
  private func breakOff(_ answer: Exchange.Answer, _ channel: any Channel) {
    isOver = true
    connection.ends()
    end(channel, answer.ending)
  }

  private func write(_ answer: Exchange.Answer, isHead: Bool, _ channel: any Channel) {
    endsWithClient = false
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
    endsWithClient = false
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
    answer.moment == nil && takesMore && head?.letsConnectionGoOn == true
      && answer.response?.endsConnection != true
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
    guard !isOver else {
      if connection.isLingering { context.close(promise: nil) }
      return
    }
    if head == nil || hasAnswered {
      sayGoodbye(context.channel)
    } else if !isHandedOver {
      // The rest of the request never comes.
      refuse(.malformed, context)
    }
    // A request in hand is answered first.
  }

  /// The client has ended its side.
  private func clientLeft(_ channel: any Channel) {
    hasClientLeft = true
    departure.send()
    if endsWithClient { giveUp(channel) }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event is ClientLeft {
      clientLeft(context.channel)
      return
    }
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
  private func refuse(_ error: RequestError, _ context: ChannelHandlerContext) {
    refuse(with: exchange.configuration.errorResponse(error), context)
  }

  /// Answers without the service, and ends the connection.
  func refuse(with response: WebResponse, _ context: ChannelHandlerContext) {
    isHandedOver = true
    isOver = true
    connection.ends()
    let parts = response.parts(isHead: false, isKeptAlive: false)
    context.write(wrapOutboundOut(.head(parts.head)), promise: nil)
    if let body = parts.body {
      context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
    }
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
    refuse(error == .headerOverflow ? .headerTooLong : .malformed, context)
  }

  func channelInactive(context: ChannelHandlerContext) {
    hasClientLeft = true
    running?.cancel()
    context.fireChannelInactive()
  }
}

extension NIOLoopBound where Value: AnyObject {
  /// Asks the value something, on its event loop.
  /// - Returns: false when the loop has ended.
  fileprivate func ask(
    on loop: any EventLoop, _ ask: @escaping @Sendable (Value) -> Bool
  ) async -> Bool {
    let answer = loop.submit { ask(self.value) }
    do { return try await answer.get() } catch { return false }
  }
}

extension Channel {
  /// Makes the next close a reset: with a linger time of zero the system drops what is unsent and
  /// sends RST in place of FIN (socket(7), SO_LINGER).
  package func resetOnClose() -> EventLoopFuture<Void> {
    guard let options = self as? any SocketOptionProvider else {
      return eventLoop.makeSucceededVoidFuture()
    }
    return options.setSoLinger(linger(l_onoff: 1, l_linger: 0))
  }
}
