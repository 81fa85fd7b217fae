import AsyncPrimitives
import NIOCore
import NIOPosix
import SwiftProtobuf
import Synchronization

/// The connection to p2pd on which unary calls go, in either direction.
///
/// Calls are told apart by 16 random bytes.
final class ControlConnection: ChannelInboundHandler, Sendable {
  typealias InboundIn = SwarmFrame
  typealias Handler = @Sendable (PeerID, [UInt8]) async throws -> [UInt8]
  private typealias Answer = Result<P2PDPersistentResponse, SwarmError>

  /// The longest message that p2pd takes (`persistentConnMaxMsgSize`), and room for its envelope.
  static let messageLimit = 4 << 20
  private static let envelope = 4096
  /// Most calls of other peers that are answered at once.
  private static let concurrentCalls = 128

  private struct State: Sendable {
    var channel: (any Channel)?
    var pending: [[UInt8]: AsyncState<Answer?>] = [:]
    var handlers: [String: Handler] = [:]
    var running: [[UInt8]: Task<Void, Never>] = [:]
    var end: SwarmError?
  }

  private let state = Mutex(State())
  private let tasks: TaskScope
  /// Set once p2pd has ended the connection.
  let hasEnded = AsyncState(false)

  init(tasks: TaskScope) { self.tasks = tasks }

  /// Connects to the socket and has the connection upgraded to a persistent one.
  ///
  /// - Throws: ``SwarmError``.
  func connect(to path: String) async throws {
    let channel = try await DaemonSocket.connect(to: path) { channel in
      try channel.pipeline.syncOperations.addHandlers(
        ByteToMessageHandler(
          SwarmFrameDecoder(limit: Self.messageLimit + Self.envelope, isStream: false)), self)
    }
    let upgraded = AsyncState<Answer?>(nil)
    state.withLock { state in
      state.channel = channel
      state.pending[[]] = upgraded
    }
    var request = P2PDRequest()
    request.type = .persistentConnUpgrade
    try await DaemonSocket.send(request, on: channel)
    _ = try await upgraded.wait { $0 != nil }?.get()
  }

  /// Takes calls to a name, in place of whoever took them before.
  ///
  /// - Throws: ``SwarmError`` when p2pd refuses.
  func add(_ name: String, _ handler: @escaping Handler) async throws {
    // p2pd hears of each name once, and refuses a second time.
    guard state.withLock({ $0.handlers.updateValue(handler, forKey: name) }) == nil else { return }
    var request = P2PDPersistentRequest()
    request.addUnaryHandler.proto = name
    request.addUnaryHandler.balanced = false
    do {
      _ = try await exchange(request)
    } catch {
      state.withLock { $0.handlers[name] = nil }
      throw error
    }
  }

  /// Calls a peer, and returns its answer.
  ///
  /// - Throws: ``SwarmError/Code/refused`` with the peer's words,
  ///   ``SwarmError/Code/unreachable`` with p2pd's; `CancellationError`.
  func call(_ peer: PeerID, _ name: String, _ body: [UInt8]) async throws -> [UInt8] {
    guard body.count <= Self.messageLimit - Self.envelope else {
      throw SwarmError(
        .tooLarge, "\(body.count) bytes in one call, \(Self.messageLimit) are the most", peer: peer)
    }
    var request = P2PDPersistentRequest()
    request.callUnary.peer = .init(peer.bytes)
    request.callUnary.proto = name
    request.callUnary.data = .init(body)
    let response: P2PDPersistentResponse
    do {
      response = try await exchange(request)
    } catch let error as SwarmError {
      throw SwarmError(error.code, error.message, peer: peer)
    }
    switch response.callUnaryResponse.result {
    case .response(let data): return Array(data)
    case .error(let data):
      throw SwarmError(refusal: String(decoding: data, as: UTF8.self), by: peer)
    case nil:
      throw SwarmError(.malformed, "the daemon acknowledged a call without an answer", peer: peer)
    }
  }

  /// Ends the connection and everything that waits on it.
  func close() { state.withLock { $0.channel }?.close(promise: nil) }

  private func exchange(_ request: P2PDPersistentRequest) async throws -> P2PDPersistentResponse {
    var request = request
    let id = (0..<16).map { _ in UInt8.random(in: .min ... .max) }
    request.callID = .init(id)
    let answer = AsyncState<Answer?>(nil)
    let channel = try state.withLock { state in
      if let end = state.end { throw end }
      state.pending[id] = answer
      return state.channel
    }
    defer { state.withLock { $0.pending[id] = nil } }
    guard let channel else { throw SwarmError(.daemonEnded, "the daemon is not connected") }
    return try await withTaskCancellationHandler {
      try await DaemonSocket.send(request, on: channel)
      guard let result = try await answer.wait(until: { $0 != nil }) else {
        throw CancellationError()
      }
      return try result.get()
    } onCancel: {
      var cancel = P2PDPersistentRequest()
      cancel.callID = .init(id)
      cancel.cancel = P2PDCancel()
      DaemonSocket.post(cancel, on: channel)
    }
  }

  // What p2pd says, on the connection's event loop.

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard case .control(let bytes) = unwrapInboundIn(data) else { return }
    if let upgraded = state.withLock({ $0.pending.removeValue(forKey: []) }) {
      upgraded.update { $0 = Self.upgrade(bytes) }
      return
    }
    guard let response = try? P2PDPersistentResponse(serializedBytes: bytes) else {
      errorCaught(
        context: context, error: SwarmError(.malformed, "the daemon sent what is no message"))
      return
    }
    let id = Array(response.callID)
    switch response.message {
    case .requestHandling(let call): answer(call, id)
    case .cancel: state.withLock { $0.running[id] }?.cancel()
    case .daemonError(let error):
      resolve(id, .failure(SwarmError(.unreachable, error.message)))
    case .callUnaryResponse, nil: resolve(id, .success(response))
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    end(SwarmError(.daemonEnded, "the connection to the daemon broke: \(error)"))
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    end(SwarmError(.daemonEnded, "p2pd has ended: start the peer again"))
    context.fireChannelInactive()
  }

  private static func upgrade(_ bytes: [UInt8]) -> Answer {
    guard let response = try? P2PDResponse(serializedBytes: bytes) else {
      return .failure(SwarmError(.malformed, "the daemon sent what is no message"))
    }
    return response.type == .ok
      ? .success(P2PDPersistentResponse())
      : .failure(SwarmError(.daemonFailed, "p2pd refuses a connection: \(response.error.msg)"))
  }

  private func resolve(_ id: [UInt8], _ answer: Answer) {
    state.withLock { $0.pending[id] }?.update { $0 = answer }
  }

  private func end(_ error: SwarmError) {
    let (pending, running) = state.withLock { state in
      if state.end == nil { state.end = error }
      defer { state.pending = [:] }
      return (Array(state.pending.values), Array(state.running.values))
    }
    for answer in pending { answer.update { if $0 == nil { $0 = .failure(error) } } }
    for task in running { task.cancel() }
    hasEnded.update { $0 = true }
  }

  /// Has a handler answer a call of another peer.
  private func answer(_ call: P2PDUnaryCall, _ id: [UInt8]) {
    let peer = PeerID(bytes: call.peer)
    guard let channel = state.withLock({ $0.channel }) else { return }
    let isTaken = state.withLock { state in
      guard let handler = state.handlers[call.proto], state.running.count < Self.concurrentCalls
      else { return false }
      // It cannot remove itself before it is stored: that needs the lock held here.
      state.running[id] = tasks.spawn {
        let result: Result<[UInt8], any Error>
        do {
          result = .success(try await handler(peer, Array(call.data)))
        } catch {
          result = .failure(error)
        }
        Self.post(result, id, channel)
        self.state.withLock { $0.running[id] = nil }
      }
      return true
    }
    if !isTaken {
      Self.post(.failure(SwarmError(.refused, "too many calls at once: try again")), id, channel)
    }
  }

  private static func post(
    _ result: Result<[UInt8], any Error>, _ id: [UInt8], _ channel: any Channel
  ) {
    var request = P2PDPersistentRequest()
    request.callID = .init(id)
    switch result {
    case .success(let body) where body.count <= messageLimit - envelope:
      request.unaryResponse.response = .init(body)
    case .success(let body):
      request.unaryResponse.error = .init(
        "an answer of \(body.count) bytes \(SwarmError.longAnswer)".utf8)
    case .failure(let error):
      request.unaryResponse.error = .init(SwarmError.reason("\(error)").utf8)
    }
    DaemonSocket.post(request, on: channel)
  }
}

/// Sockets of p2pd.
enum DaemonSocket {
  /// Connects to p2pd.
  static func connect(
    to path: String, isAutomatic: Bool = true,
    _ prepare: @escaping @Sendable (any Channel) throws -> Void
  ) async throws -> any Channel {
    do {
      return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .channelOption(.autoRead, value: isAutomatic)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture { try prepare(channel) }
        }
        .connect(unixDomainSocketPath: path).get()
    } catch {
      throw SwarmError(.daemonEnded, "p2pd does not answer at \(path): \(error)")
    }
  }

  /// Sends a control message, and returns once the socket has taken it.
  ///
  /// A caller that is cancelled leaves at once, also when p2pd takes nothing; the message goes out whole
  /// when it does.
  /// - Throws: ``SwarmError/Code/daemonEnded``; `CancellationError`.
  static func send(_ message: some SwiftProtobuf.Message, on channel: any Channel) async throws {
    let outcome = AsyncState<Result<Void, any Error>?>(nil)
    do {
      let body: [UInt8] = try message.serializedBytes()
      channel.writeAndFlush(SwarmFrame.control(body).encoded).whenComplete { result in
        outcome.update { $0 = result }
      }
      try await outcome.wait { $0 != nil }?.get()
    } catch {
      try Task.checkCancellation()
      throw SwarmError(.daemonEnded, "p2pd does not listen any more: \(error)")
    }
  }

  /// Sends a control message; a daemon that is gone is noticed elsewhere.
  static func post(_ message: some SwiftProtobuf.Message, on channel: any Channel) {
    // Our own messages lack no field that they need, which alone could fail.
    guard let body: [UInt8] = try? message.serializedBytes() else { return }
    channel.writeAndFlush(SwarmFrame.control(body).encoded, promise: nil)
  }
}
