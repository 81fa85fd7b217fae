import HTTPTypes
import NIOCore
import NIOHTTP1

/// Puts the requests of one connection together, has each answered, and writes the answers.
///
/// The handler before it lets one request through at a time. Everything here runs on the
/// connection's event loop.
final class ConnectionHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  /// How much more of a refused body is read before the connection is closed: enough for a
  /// client that sends first and reads after, not enough to be flooded.
  private static let drainLimit = 16 << 20

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
    if head.headers.contains(where: { name, value in
      name.lowercased() == "expect" && value.lowercased() == "100-continue"
    }) {
      let go = HTTPResponseHead(version: head.version, status: .continue)
      context.writeAndFlush(wrapOutboundOut(.head(go)), promise: nil)
    }
  }

  private func receive(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
    guard !isHandedOver else {
      drained += bytes.readableBytes
      if drained > Self.drainLimit { context.close(promise: nil) }
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
    connections.hold(connection)
    running = Task(executorPreference: executor) {
      defer { connections.release(connection) }
      let answer = await exchange.answer(to: request, isOversized: isOversized)
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
      end(channel, answer.ending)
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
    answer.moment == nil && head?.isKeepAlive == true
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
    connection.ends()
    let headers: HTTPHeaders = ["Connection": "close", "Content-Length": "0"]
    let head = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    let channel = context.channel
    context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
      channel.close(promise: nil)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // A request that is no HTTP is told so, when no answer is on its way already.
    guard let error = error as? HTTPParserError, !isHandedOver || hasAnswered else {
      context.close(promise: nil)
      return
    }
    refuse(error == .headerOverflow ? .requestHeaderFieldsTooLarge : .badRequest, context)
  }

  func channelInactive(context: ChannelHandlerContext) {
    running?.cancel()
    context.fireChannelInactive()
  }
}
