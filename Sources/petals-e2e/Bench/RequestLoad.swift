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
  let isExpected: @Sendable (RawHTTPResponse) -> Bool

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
    let connections = try await withThrowingTaskGroup(of: Connection.self) { group in
      for own in requests {
        group.addTask { try await Connection.open(own, host: host, port: port, isExpected) }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    let clock = ContinuousClock()
    let began = clock.now
    for connection in connections { connection.start() }
    var sent: [Sent] = []
    for connection in connections { sent += try await connection.finished.get() }
    let seconds = (clock.now - began) / .seconds(1)
    return Outcome(
      rate: Double(sent.count) / seconds, milliseconds: sent.map(\.milliseconds).sorted(),
      requests: sent.map { (($0.at - began) / .milliseconds(1), $0.milliseconds) }
        .sorted { $0.from < $1.from })
  }

  /// A request that was answered.
  fileprivate struct Sent: Sendable {
    let at: ContinuousClock.Instant
    let milliseconds: Double
  }

  /// What a run gave.
  struct Outcome: Sendable {
    /// Requests a second.
    let rate: Double
    /// How long each took, the shortest first.
    let milliseconds: [Double]
    /// When each was sent, in milliseconds since the run's beginning, and how long it took.
    let requests: [(from: Double, milliseconds: Double)]

    /// The time that the given share of the requests did not exceed.
    func percentile(_ share: Double) -> Double {
      milliseconds[min(milliseconds.count - 1, Int(Double(milliseconds.count) * share))]
    }
  }

  /// The requests of several runs, in the order of the runs.
  static func requests(of runs: [Outcome]) -> [BenchRequest] {
    runs.enumerated().flatMap { run, outcome in
      outcome.requests.map { BenchRequest(run: run, from: $0.from, milliseconds: $0.milliseconds) }
    }
  }

  /// One connection with its requests.
  private struct Connection: Sendable {
    let channel: any Channel
    let finished: EventLoopFuture<[Sent]>

    static func open(
      _ requests: [ByteBuffer], host: String, port: Int,
      _ isExpected: @escaping @Sendable (RawHTTPResponse) -> Bool
    ) async throws -> Connection {
      let group = MultiThreadedEventLoopGroup.singleton
      let promise = group.next().makePromise(of: [Sent].self)
      let channel = try await ClientBootstrap(group: group)
        .channelOption(.tcpOption(.tcp_nodelay), value: 1)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(
              RequestHandler(requests, isExpected, promise))
          }
        }
        .connect(host: host, port: port).get()
      return Connection(channel: channel, finished: promise.futureResult)
    }

    func start() { channel.pipeline.fireUserInboundEventTriggered(RequestHandler.Start()) }
  }
}

/// Sends the next request when the last one is answered.
private final class RequestHandler: ChannelInboundHandler {
  struct Start: Sendable {}
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let requests: [ByteBuffer]
  private let isExpected: @Sendable (RawHTTPResponse) -> Bool
  private let promise: EventLoopPromise<[RequestLoad.Sent]>
  private var sent: [RequestLoad.Sent] = []
  private var answer = ByteBuffer()
  private var sentAt = ContinuousClock.now

  init(
    _ requests: [ByteBuffer], _ isExpected: @escaping @Sendable (RawHTTPResponse) -> Bool,
    _ promise: EventLoopPromise<[RequestLoad.Sent]>
  ) {
    self.requests = requests
    self.isExpected = isExpected
    self.promise = promise
    sent.reserveCapacity(requests.count)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event is Start { sendNext(context) }
  }

  private func sendNext(_ context: ChannelHandlerContext) {
    guard sent.count < requests.count else {
      promise.succeed(sent)
      context.close(promise: nil)
      return
    }
    sentAt = .now
    context.writeAndFlush(wrapOutboundOut(requests[sent.count]), promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = unwrapInboundIn(data)
    answer.writeBuffer(&bytes)
    let whole: RawHTTPResponse
    do {
      let read = try answer.readableBytesView.withUnsafeBytes { try RawHTTPResponse($0) }
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
    sent.append(.init(at: sentAt, milliseconds: (ContinuousClock.now - sentAt) / .milliseconds(1)))
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

/// A minimal parser of an HTTP/1.1 response with a Content-Length.
///
/// A client that shares its cores with the service must not cost what the service does, so the bytes
/// are looked at in place.
package struct RawHTTPResponse {
  private static let field = Array("content-length:".utf8)
  /// Bytes; the services that are measured answer with a few hundred.
  private static let longestBody = 16 << 20
  private static let statusOffset = 9

  package let status: Int
  package let body: [UInt8]

  /// Reads an answer; nil when it is not there as a whole.
  /// - Throws: `CommandFailure` (failed) for one that says that it is longer than any can be.
  package init?(_ bytes: UnsafeRawBufferPointer) throws {
    var line = 0
    var length: Int?
    for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") {
      if index - line <= 1 {
        guard let length else { return nil }
        guard length <= Self.longestBody else {
          throw CommandFailure.failed(
            "an answer's Content-Length is a whole number from 0 to \(Self.longestBody)")
        }
        guard bytes.count - index - 1 >= length else { return nil }
        status = Self.number(bytes.dropFirst(Self.statusOffset))
        body = Array(bytes[(index + 1)..<(index + 1 + length)])
        return
      }
      let text = bytes[line..<index]
      // Letters of both cases are equal in the low five bits.
      if text.count > Self.field.count, zip(text, Self.field).allSatisfy({ $0 | 0x20 == $1 | 0x20 })
      {
        length = Self.number(text.dropFirst(Self.field.count))
      }
      line = index + 1
    }
    return nil
  }

  /// The decimal number that stands first, after spaces; one that is longer than any answer is
  /// the greatest there is.
  private static func number(_ bytes: Slice<UnsafeRawBufferPointer>) -> Int {
    var number = 0
    let digits = bytes.drop { $0 == UInt8(ascii: " ") }
      .prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    for digit in digits {
      let (tens, isTooLong) = number.multipliedReportingOverflow(by: 10)
      let (sum, isTooGreat) = tens.addingReportingOverflow(Int(digit - UInt8(ascii: "0")))
      if isTooLong || isTooGreat { return .max }
      number = sum
    }
    return number
  }
}
