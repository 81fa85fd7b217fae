import NIOCore
import Synchronization

/// Notices that the client has ended its side of a connection.
///
/// It is there from the connection's first byte on, so that a client who leaves together with its
/// request is noticed as well.
final class ClientPresence: Sendable {
  private struct State {
    var hasLeft = false
    var whenLeft: (@Sendable () -> Void)?
  }

  private let state = Mutex(State())

  /// Runs work for the client, and cancels it when the client leaves.
  /// - Throws: What the work throws; `CancellationError` when the client left.
  func during<Result: Sendable>(
    _ work: @escaping @Sendable () async throws -> Result
  ) async throws -> Result {
    try check()
    let (stream, continuation) = AsyncStream<Void>.makeStream()
    onLeave { continuation.finish() }
    defer { onLeave(nil) }
    return try await withThrowingTaskGroup(of: Result?.self) { group in
      group.addTask { try await work() }
      group.addTask {
        for await _ in stream {}
        return nil
      }
      defer { group.cancelAll() }
      guard let first = try await group.next(), let result = first else {
        throw CancellationError()
      }
      return result
    }
  }

  /// - Throws: `CancellationError` when the client has left.
  func check() throws {
    if state.withLock(\.hasLeft) { throw CancellationError() }
  }

  /// Calls back when the client has left, at once if it has already; nil calls nobody.
  private func onLeave(_ callback: (@Sendable () -> Void)?) {
    let hasLeft = state.withLock {
      $0.whenLeft = callback
      return $0.hasLeft
    }
    if hasLeft { callback?() }
  }

  private func leave() {
    let callback = state.withLock {
      $0.hasLeft = true
      return $0.whenLeft.take()
    }
    callback?()
  }
}

extension ClientPresence: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = NIOAny

  func channelInactive(context: ChannelHandlerContext) {
    leave()
    context.fireChannelInactive()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .inputClosed? = event as? ChannelEvent { leave() }
    context.fireUserInboundEventTriggered(event)
  }

  /// The presence that watches a connection.
  /// - Throws: `CancellationError` when the connection is closed.
  static func on(_ connection: any Channel) async throws -> ClientPresence {
    do {
      return try await connection.pipeline.handler(type: ClientPresence.self).get()
    } catch {
      throw CancellationError()
    }
  }
}
