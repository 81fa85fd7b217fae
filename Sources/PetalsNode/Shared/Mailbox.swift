import Synchronization

/// A queue from one producer to one consumer at a time.
///
/// Unlike an `AsyncStream` it survives the cancellation of a consumer: the one who gave up leaves,
/// and another task may go on reading.
final class Mailbox<Message: Sendable>: Sendable {
  private struct State: Sendable {
    var messages: [Message] = []
    var waiter: CheckedContinuation<Message, any Error>?
    var failure: (any Error)?
  }

  private let state = Mutex(State())

  private let capacity: Int

  /// A mailbox that holds `capacity` messages which nobody waits for.
  init(capacity: Int) { self.capacity = capacity }

  /// Adds a message, unless the mailbox was closed or is full.
  ///
  /// - Returns: Whether the mailbox was not full.
  func deliver(_ message: Message) -> Bool {
    let (waiter, fits) = state.withLock {
      state -> (CheckedContinuation<Message, any Error>?, Bool) in
      guard state.failure == nil else { return (nil, true) }
      if let waiter = state.waiter.take() { return (waiter, true) }
      guard state.messages.count < capacity else { return (nil, false) }
      state.messages.append(message)
      return (nil, true)
    }
    waiter?.resume(returning: message)
    return fits
  }

  /// Ends the mailbox: who waits, and who asks once the messages are read, gets the error.
  ///
  /// The first reason stays.
  func close(_ reason: any Error) {
    let waiter = state.withLock { state -> CheckedContinuation<Message, any Error>? in
      guard state.failure == nil else { return nil }
      state.failure = reason
      return state.waiter.take()
    }
    waiter?.resume(throwing: reason)
  }

  /// Takes the oldest message, waiting for one if need be.
  ///
  /// - Throws: The reason of ``close(_:)``, or `CancellationError`.
  func next() async throws -> Message {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let immediate: Result<Message, any Error>? = state.withLock { state in
          if !state.messages.isEmpty { return .success(state.messages.removeFirst()) }
          if let failure = state.failure { return .failure(failure) }
          // The handler below may have run before there was a waiter to remove.
          if Task.isCancelled { return .failure(CancellationError()) }
          precondition(state.waiter == nil, "two tasks read one mailbox at once")
          state.waiter = continuation
          return nil
        }
        if let immediate { continuation.resume(with: immediate) }
      }
    } onCancel: {
      let waiter = state.withLock { $0.waiter.take() }
      waiter?.resume(throwing: CancellationError())
    }
  }
}
