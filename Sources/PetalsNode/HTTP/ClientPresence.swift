import NIOCore

/// Runs work for a client, and cancels it when the client ends its side of the connection.
///
/// The connection stays as it was, for the answer and for further requests.
/// - Throws: What the work throws; `CancellationError` when the client left.
func whileConnected<Result: Sendable>(
  _ channel: any Channel, _ work: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  let (stream, continuation) = AsyncStream<Void>.makeStream()
  let name = "petals.presence"
  do {
    try await channel.eventLoop.submit {
      // In front, since what comes behind may keep such events to itself.
      try channel.pipeline.syncOperations.addHandler(
        PresenceHandler { continuation.finish() }, name: name, position: .first)
    }.get()
  } catch {
    throw CancellationError()
  }
  let outcome: Swift.Result<Result, any Error>
  do {
    outcome = .success(
      try await withThrowingTaskGroup(of: Result?.self) { group in
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
      })
  } catch {
    outcome = .failure(error)
  }
  do {
    try await channel.pipeline.removeHandler(name: name).get()
  } catch {
    // The connection is closed, and its handlers are gone.
  }
  return try outcome.get()
}

/// Notices that nothing more will come.
private final class PresenceHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = NIOAny

  private let left: () -> Void

  init(_ left: @escaping () -> Void) { self.left = left }

  func channelInactive(context: ChannelHandlerContext) {
    left()
    context.fireChannelInactive()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .inputClosed? = event as? ChannelEvent { left() }
    context.fireUserInboundEventTriggered(event)
  }
}
