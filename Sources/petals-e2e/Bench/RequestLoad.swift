import Foundation
import NIOCore
import NIOPosix

/// Posts prepared requests over some connections, each after the answer to the one before it.
///
/// It does as little as a client can, so that on a machine with few cores the service is what is
/// measured.
struct RequestLoad: Sendable {
  /// For each connection its requests, head and body.
  let requests: [[ByteBuffer]]
  /// Whether an answer is one that is expected.
  let isExpected: @Sendable (HTTPAnswer) -> Bool

  /// A request that posts JSON, head and body.
  static func post(_ body: [UInt8], to path: String, host: String, port: Int) -> ByteBuffer {
    let head =
      "POST \(path) HTTP/1.1\r\nHost: \(host):\(port)\r\n"
      + "Content-Type: application/json\r\nContent-Length: \(body.count)\r\n\r\n"
    return ByteBuffer(bytes: Array(head.utf8) + body)
  }

  /// Sends everything.
  /// - Returns: requests a second, and how long each took.
  /// - Throws: `CommandFailure` when an answer is not what is expected.
  func run(host: String, port: Int) async throws -> Outcome {
    let connections = try await withThrowingTaskGroup(of: Line.self) { group in
      for own in requests {
        group.addTask { try await Line.open(own, host: host, port: port, isExpected) }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    let clock = ContinuousClock()
    let began = clock.now
    for line in connections { line.start() }
    var latencies: [Double] = []
    for line in connections { latencies += try await line.finished.get() }
    let seconds = (clock.now - began) / .seconds(1)
    return Outcome(
      rate: Double(latencies.count) / seconds, milliseconds: latencies.sorted())
  }

  /// What a run gave.
  struct Outcome: Sendable {
    /// Requests a second.
    let rate: Double
    /// How long each took, the shortest first.
    let milliseconds: [Double]

    /// The time that the given share of the requests did not exceed.
    func percentile(_ share: Double) -> Double {
      milliseconds[min(milliseconds.count - 1, Int(Double(milliseconds.count) * share))]
    }
  }

  /// One connection on its way.
  private struct Line: Sendable {
    let channel: any Channel
    let finished: EventLoopFuture<[Double]>

    static func open(
      _ requests: [ByteBuffer], host: String, port: Int,
      _ isExpected: @escaping @Sendable (HTTPAnswer) -> Bool
    ) async throws -> Line {
      let group = MultiThreadedEventLoopGroup.singleton
      let promise = group.next().makePromise(of: [Double].self)
      let channel = try await ClientBootstrap(group: group)
        .channelOption(.socketOption(.tcp_nodelay), value: 1)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(Caller(requests, isExpected, promise))
          }
        }
        .connect(host: host, port: port).get()
      return Line(channel: channel, finished: promise.futureResult)
    }

    func start() { channel.pipeline.fireUserInboundEventTriggered(Caller.Start()) }
  }
}

/// Sends the next request when the last one is answered.
private final class Caller: ChannelInboundHandler {
  struct Start: Sendable {}
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let requests: [ByteBuffer]
  private let isExpected: @Sendable (HTTPAnswer) -> Bool
  private let promise: EventLoopPromise<[Double]>
  private var latencies: [Double] = []
  private var answer = ByteBuffer()
  private var sentAt = ContinuousClock.now

  init(
    _ requests: [ByteBuffer], _ isExpected: @escaping @Sendable (HTTPAnswer) -> Bool,
    _ promise: EventLoopPromise<[Double]>
  ) {
    self.requests = requests
    self.isExpected = isExpected
    self.promise = promise
    latencies.reserveCapacity(requests.count)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event is Start { sendNext(context) }
  }

  private func sendNext(_ context: ChannelHandlerContext) {
    guard latencies.count < requests.count else {
      promise.succeed(latencies)
      context.close(promise: nil)
      return
    }
    sentAt = .now
    context.writeAndFlush(wrapOutboundOut(requests[latencies.count]), promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = unwrapInboundIn(data)
    answer.writeBuffer(&bytes)
    let whole: HTTPAnswer
    do {
      let read = try answer.readableBytesView.withUnsafeBytes { try HTTPAnswer($0) }
      guard let read else { return }
      whole = read
    } catch {
      promise.fail(error)
      context.close(promise: nil)
      return
    }
    guard isExpected(whole) else {
      promise.fail(
        CommandFailure.failed("a request was refused: \(String(buffer: answer))"))
      context.close(promise: nil)
      return
    }
    answer.clear()
    latencies.append((ContinuousClock.now - sentAt) / .milliseconds(1))
    sendNext(context)
  }

  func channelInactive(context: ChannelHandlerContext) {
    promise.fail(CommandFailure.failed("a connection ended before its requests were answered"))
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    promise.fail(error)
    context.close(promise: nil)
  }
}
