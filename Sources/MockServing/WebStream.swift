public import HTTPTypes
import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// A body that a service writes piece by piece, while its client waits for it.
///
/// The head of the response goes out with the first piece, so that a service which fails before it
/// still chooses its status: what the closure returns is the whole answer then. HTTP/1.1 gets the
/// pieces in chunks, HTTP/1.0 until the connection's end (RFC 9112 §6.3, §7.1).
///
/// The task that runs the closure is cancelled as soon as the client has left, be it only by ending
/// its side of the connection, and when a piece is not read within ``ServerLimits/requestTime``. What
/// the client gets of a stream that failed has no end: its last chunk is missing.
public final class WebStream: Sendable, Hashable {
  let produce: @Sendable (WebBodyWriter) async throws -> WebResponse?

  /// Makes a stream.
  /// - Parameter produce: writes the pieces. What it returns counts only if it wrote none: it is the
  ///   answer in place of the stream. What it throws ends the connection, or is answered 500 if it
  ///   wrote none.
  public init(_ produce: @escaping @Sendable (WebBodyWriter) async throws -> WebResponse?) {
    self.produce = produce
  }

  /// Two streams are equal when they are the same.
  public static func == (left: WebStream, right: WebStream) -> Bool { left === right }

  /// Hashes the stream's identity.
  public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

extension WebResponse {
  /// Makes a response whose body is written piece by piece.
  /// - Parameters:
  ///   - status: the status, unless the stream answers something else in its place.
  ///   - headers: the header fields; the server adds `Transfer-Encoding`.
  ///   - stream: writes the body.
  public init(status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], stream: WebStream) {
    self.init(status: status, headers: headers)
    self.stream = stream
  }

  /// A response that is made as long as its client waits for it: the closure's task is cancelled, and
  /// nothing is answered, when the client ends its side of the connection before.
  /// - Parameter make: makes the response. What it throws is answered 500.
  public static func whileClientWaits(
    _ make: @escaping @Sendable () async throws -> WebResponse
  ) -> WebResponse {
    WebResponse(stream: WebStream { _ in try await make() })
  }
}

/// Writes the body of a response that is streamed.
public struct WebBodyWriter: Sendable {
  fileprivate let pieces: PieceWriter

  /// Writes a piece of the body, one at a time.
  ///
  /// It returns when the system has taken the piece: a client that reads slowly slows the service
  /// down, and no more than one piece is held for it.
  /// - Parameter piece: the bytes; none change nothing.
  /// - Throws: what writing throws, once the client has left or was let go of.
  public func write(_ piece: [UInt8]) async throws { try await pieces.write(piece) }

  /// Whether a piece was written, and the status with it.
  public var hasBegun: Bool { pieces.hasBegun }
}

/// Writes one answer piece by piece, and meets the faults of its body.
final class PieceWriter: Sendable {
  /// How the writing ended.
  enum Outcome: Sendable {
    /// All is written but the end.
    case complete
    /// The body breaks off.
    case cutOff
    /// Nothing is written, and this is the answer.
    case instead(WebResponse)
  }

  private struct CutOff: Error {}

  private struct State {
    var hasBegun = false
    var isCut = false
    var count = 0
  }

  private let answer: Exchange.Answer
  private let response: WebResponse
  private let head: HTTPResponseHead
  private let channel: any Channel
  private let connection: Connection
  private let exchange: Exchange
  private let state = Mutex(State())

  /// - Parameters:
  ///   - answer: what is written; it has a response.
  ///   - isKeptAlive: whether the connection goes on after it.
  ///   - isChunked: whether a stream is sent in chunks.
  ///   - exchange: waits between the pieces of a slow body, and hears of a service that fails.
  init(
    _ answer: Exchange.Answer, _ response: WebResponse, isKeptAlive: Bool, isChunked: Bool,
    on channel: any Channel, of connection: Connection, _ exchange: Exchange
  ) {
    self.answer = answer
    self.response = response
    head = response.head(isKeptAlive: isKeptAlive, isChunked: isChunked)
    self.channel = channel
    self.connection = connection
    self.exchange = exchange
  }

  var hasBegun: Bool { state.withLock { $0.hasBegun } }

  func run() async -> Outcome {
    do {
      if let stream = response.stream {
        let whole = try await stream.produce(WebBodyWriter(pieces: self))
        if let whole, !hasBegun { return isLost ? .cutOff : .instead(whole) }
      } else if response.allowsBody {
        try await write(response.body)
      }
      // A body without bytes has a head all the same.
      if !isLost { try await begin() }
    } catch {
      let isOver = hasBegun || isLost || error is CancellationError || Task.isCancelled
      if isOver { return .cutOff }
      exchange.configuration.logger.error("a service failed", metadata: ["error": "\(error)"])
      return .instead(WebResponse(status: .internalServerError))
    }
    return answer.moment == nil || answer.moment == .afterAnswer ? .complete : .cutOff
  }

  /// Whether the service does its work for nothing.
  private var isLost: Bool { answer.moment == .beforeAnswer }

  func write(_ piece: [UInt8]) async throws {
    guard !piece.isEmpty else { return }
    guard !isLost else { return try Task.checkCancellation() }
    guard !state.withLock({ $0.isCut }) else { throw CutOff() }
    try await begin()
    var rest = ByteBuffer(bytes: piece)
    if case .midBody(let limit)? = answer.moment {
      rest = rest.readSlice(length: min(rest.readableBytes, limit - count)) ?? ByteBuffer()
    }
    while rest.readableBytes > 0,
      let part = rest.readSlice(length: min(answer.pace?.bytes ?? .max, rest.readableBytes))
    {
      if let pace = answer.pace, !(await exchange.pause(pace.pause)) { throw cut() }
      try await send(.body(.byteBuffer(part)))
      state.withLock { $0.count += part.readableBytes }
    }
    if case .midBody(let limit)? = answer.moment, count >= limit { throw cut() }
  }

  private var count: Int { state.withLock { $0.count } }

  private func cut() -> CutOff {
    state.withLock { $0.isCut = true }
    return CutOff()
  }

  private func begin() async throws {
    let isFirst = state.withLock { state in
      defer { state.hasBegun = true }
      return !state.hasBegun
    }
    if isFirst { try await send(.head(head)) }
  }

  /// Sends a part; the time until the system takes it is the client's.
  private func send(_ part: HTTPServerResponsePart) async throws {
    connection.writes()
    try await channel.writeAndFlush(part)
    connection.requestArrived()
  }
}
