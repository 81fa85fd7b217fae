import NIOCore
import NIOWebSocket
import Synchronization

/// One whole message of a WebSocket connection (RFC 6455 §5.6).
public struct WebSocketMessage: Sendable, Hashable {
  /// What the bytes are.
  public enum Kind: Sendable, Hashable {
    /// UTF-8 text.
    case text
    /// Any bytes.
    case binary
  }

  /// What the bytes are.
  public var kind: Kind
  /// The message's bytes, its fragments put together.
  public var bytes: [UInt8]

  /// Makes a message.
  public init(_ kind: Kind = .text, _ bytes: [UInt8]) {
    self.kind = kind
    self.bytes = bytes
  }
}

/// What a server does with WebSocket connections (RFC 6455).
///
/// The messages of a connection are answered one at a time, in order. Each of them meets the server's
/// ``FaultScript`` as a POST request with the message as its body; the opening handshake does not. An
/// answer without bytes is not sent, a drop ends the connection without a close frame, and a slow body
/// goes out in fragments.
public struct WebSocketService: Sendable {
  /// The longest message that is read; a longer one ends the connection with code 1009.
  public var maximumMessageBytes: Int
  /// The most bytes of messages that the client has not read yet: a connection with more is closed.
  public var maximumUnsentBytes: Int
  /// How long nothing may come from the client before it is sent a ping, on the clock of
  /// ``ServerLimits``.
  public var pingInterval: Duration
  /// How long the client may stay silent after a ping; then the connection is closed.
  public var pongTime: Duration
  let respond: @Sendable (WebSocketMessage, WebSocketPeer) async -> WebSocketMessage?
  let ended: @Sendable (WebSocketPeer) -> Void

  /// Makes a service.
  /// - Parameters:
  ///   - maximumMessageBytes: the longest message that is read, at least 125.
  ///   - maximumUnsentBytes: the most bytes that wait for the client.
  ///   - pingInterval: how long the client may be silent before a ping.
  ///   - pongTime: how long it may be silent after one.
  ///   - ended: called once when a connection has ended.
  ///   - respond: answers one message; nil for no answer.
  public init(
    maximumMessageBytes: Int = 32 << 20, maximumUnsentBytes: Int = 64 << 20,
    pingInterval: Duration = .seconds(30), pongTime: Duration = .seconds(30),
    ended: @escaping @Sendable (WebSocketPeer) -> Void = { _ in },
    respond: @escaping @Sendable (WebSocketMessage, WebSocketPeer) async -> WebSocketMessage?
  ) {
    precondition(
      (125...Int(UInt32.max)).contains(maximumMessageBytes),
      "maximumMessageBytes \(maximumMessageBytes) is outside 125…\(UInt32.max)")
    precondition(maximumUnsentBytes > 0, "maximumUnsentBytes \(maximumUnsentBytes) is not above 0")
    precondition(pingInterval > .zero, "pingInterval \(pingInterval) is not above zero")
    precondition(pongTime > .zero, "pongTime \(pongTime) is not above zero")
    self.maximumMessageBytes = maximumMessageBytes
    self.maximumUnsentBytes = maximumUnsentBytes
    self.pingInterval = pingInterval
    self.pongTime = pongTime
    self.respond = respond
    self.ended = ended
  }
}

/// The client of one WebSocket connection, to which a service pushes messages.
public final class WebSocketPeer: Sendable, Identifiable {
  private struct State {
    var isAnswering = false
    /// What was pushed while a message was being answered.
    var held: [WebSocketMessage] = []
    /// Bytes that the system has not taken yet.
    var unsent = 0
    var isClosed = false
  }

  /// The client's address, as `127.0.0.1:51234`.
  public let remote: String?
  private let limit: Int
  private let channel: any Channel
  private let handler: NIOLoopBound<WebSocketHandler>
  private let state = Mutex(State())

  init(
    _ channel: any Channel, _ handler: NIOLoopBound<WebSocketHandler>, remote: String?, limit: Int
  ) {
    self.channel = channel
    self.handler = handler
    self.remote = remote
    self.limit = limit
  }

  /// Sends a message without waiting for the client to read it.
  ///
  /// What is pushed while the service answers a message follows that answer, in order. A client that
  /// leaves too much unread is disconnected; what is pushed after the end is dropped.
  public func push(_ message: WebSocketMessage) {
    let isTooSlow = state.withLock { state in
      guard !state.isClosed else { return false }
      state.unsent += message.bytes.count
      guard state.unsent <= limit else {
        state.isClosed = true
        return true
      }
      if state.isAnswering {
        state.held.append(message)
      } else {
        enqueue([message])
      }
      return false
    }
    if isTooSlow { channel.close(promise: nil) }
  }

  /// Holds pushes back until ``endAnswer(_:)``.
  func beginAnswer() { state.withLock { $0.isAnswering = true } }

  /// Lets the pushes that were held back follow what `write` sends.
  /// - Parameter write: sends the answer, on the event loop.
  func endAnswer(_ write: @escaping @Sendable () -> Void) {
    state.withLock { state in
      state.isAnswering = false
      channel.eventLoop.execute(write)
      enqueue(state.held)
      state.held = []
    }
  }

  /// Counts bytes that the system has taken.
  func wasSent(_ count: Int) { state.withLock { $0.unsent -= count } }

  func close() {
    state.withLock { state in
      state.isClosed = true
      state.held = []
    }
  }

  /// Under the lock, so that messages keep the order in which they were pushed.
  private func enqueue(_ messages: [WebSocketMessage]) {
    guard !messages.isEmpty else { return }
    channel.eventLoop.execute { [handler] in handler.value.push(messages) }
  }
}

/// Why a server ends a WebSocket connection (RFC 6455 §7.4.1).
enum WebSocketCloseReason: Sendable {
  case goingAway, protocolError, invalidText, messageTooLong
  /// The client's own code, repeated; nil when it gave none.
  case echo(WebSocketErrorCode?)

  /// The body of the close frame.
  var payload: ByteBuffer {
    let code: WebSocketErrorCode? =
      switch self {
      case .goingAway: .goingAway
      case .protocolError: .protocolError
      case .invalidText: .dataInconsistentWithMessage
      case .messageTooLong: .messageTooLarge
      case .echo(let code): code
      }
    var buffer = ByteBuffer()
    if let code { buffer.write(webSocketErrorCode: code) }
    return buffer
  }
}
