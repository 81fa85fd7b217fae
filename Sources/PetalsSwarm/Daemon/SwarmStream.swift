import AsyncPrimitives
import DequeModule
import NIOCore
import SwiftProtobuf
import Synchronization

/// A stream of messages to or from another peer.
///
/// Nothing is read from its socket before a message is asked for, so that a peer that sends faster
/// than it is served waits. The stream ends with the last reference to it, if not before.
package final class SwarmStream: Sendable {
  /// The peer at the other end.
  package let peer: PeerID
  /// The handler that it was opened to: `Class.method`.
  package let name: String
  private let channel: any Channel
  private let inbox: FrameInbox

  init(peer: PeerID, name: String, channel: any Channel, inbox: FrameInbox) {
    self.peer = peer
    self.name = name
    self.channel = channel
    self.inbox = inbox
  }

  deinit { channel.close(promise: nil) }

  /// Sends a message, and returns once the socket has taken it.
  ///
  /// A peer that reads nothing holds this up for ever: a caller sets a limit, and its cancellation
  /// ends the stream, since a message that was sent in part cannot be taken back.
  /// - Throws: ``SwarmError/Code/streamEnded``; `CancellationError`.
  package func send(_ body: [UInt8]) async throws {
    do {
      try await withTaskCancellationHandler {
        try await channel.writeAndFlush(SwarmFrame.message(body).encoded)
      } onCancel: {
        channel.close(promise: nil)
      }
    } catch {
      try Task.checkCancellation()
      throw SwarmError(.streamEnded, "the stream has ended: \(error)", peer: peer)
    }
  }

  /// The next message; nil at the orderly end.
  ///
  /// - Throws: ``SwarmError`` for an end with an error, and for bytes that are no frames;
  ///   `CancellationError`.
  package func next() async throws -> [UInt8]? {
    let frame: SwarmFrame
    do {
      guard let next = try await inbox.next() else { return nil }
      frame = next
    } catch let error as SwarmFrameError {
      throw SwarmError(.malformed, "\(error)", peer: peer)
    } catch let error as SwarmError {
      throw SwarmError(error.code, error.message, peer: peer)
    }
    switch frame {
    case .message(let body): return body
    case .end(let body):
      if body.isEmpty { return nil }
      let text = (try? SwarmRPCError(serializedBytes: body))?.message ?? "an error without a text"
      throw SwarmError(refusal: text, by: peer)
    case .control:
      throw SwarmError(.malformed, "a control message within a stream", peer: peer)
    }
  }

  /// Tells the peer that nothing more is sent; its messages may still be read.
  package func finish() { channel.writeAndFlush(SwarmFrame.end([]).encoded, promise: nil) }

  /// Ends the stream with an error for the peer; one that reads nothing does not hear of it.
  package func fail(_ text: String) {
    var error = SwarmRPCError()
    // A socket that is closed keeps what it had room for.
    error.message = SwarmError.reason(text)
    // Our own message lacks no field that it needs, which alone could fail.
    if let body: [UInt8] = try? error.serializedBytes() {
      channel.writeAndFlush(SwarmFrame.end(body).encoded, promise: nil)
    }
    close()
  }

  /// Ends the stream; a second time does nothing.
  package func close() { channel.close(promise: nil) }
}

/// The frames that arrived on a socket and wait for their reader.
final class FrameInbox: ChannelInboundHandler, Sendable {
  typealias InboundIn = SwarmFrame

  private struct State: Sendable {
    var frames: Deque<SwarmFrame> = []
    /// Why nothing more comes: nil at an orderly end.
    var end: Result<Void, any Error>?
    var isWanted = false
    var channel: (any Channel)?
  }

  private let state = AsyncState(State())

  /// The oldest frame, for which the socket is read where need be; nil at its end.
  ///
  /// - Throws: What the socket ended with; `CancellationError`.
  func next() async throws -> SwarmFrame? {
    let channel = state.update { state -> (any Channel)? in
      guard state.frames.isEmpty, state.end == nil else { return nil }
      state.isWanted = true
      return state.channel
    }
    channel?.read()
    let result = try await state.take { state -> Result<SwarmFrame?, any Error>? in
      if let frame = state.frames.popFirst() { return .success(frame) }
      return state.end.map { $0.map { nil } }
    }
    return try result.get()
  }

  func handlerAdded(context: ChannelHandlerContext) {
    let channel = context.channel
    let isWanted = state.update { state in
      state.channel = channel
      return state.isWanted
    }
    if isWanted { context.read() }
  }

  func channelActive(context: ChannelHandlerContext) {
    // A read that was asked for before the socket was registered came to nothing.
    if state.value.isWanted { context.read() }
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let frame = unwrapInboundIn(data)
    state.update { state in
      state.frames.append(frame)
      state.isWanted = false
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    // A part of a frame came, and its reader waits.
    if state.value.isWanted { context.read() }
    context.fireChannelReadComplete()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    end(.failure(error))
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    end(.success(()))
    context.fireChannelInactive()
  }

  private func end(_ result: Result<Void, any Error>) {
    state.update { state in
      if state.end == nil { state.end = result }
      state.channel = nil
    }
  }
}
