import AsyncPrimitives
import DequeModule

/// A bounded queue from one producer to one consumer at a time.
///
/// Unlike an `AsyncStream` it survives the cancellation of a consumer: the one who gave up leaves,
/// and another task may go on reading.
final class Mailbox<Message: Sendable>: Sendable {
  private struct State: Sendable {
    var messages: Deque<Message> = []
    var failure: (any Error)?
  }

  private let state = AsyncState(State())
  private let capacity: Int

  /// A mailbox that holds `capacity` messages which nobody waits for, at least one.
  init(capacity: Int) {
    precondition(capacity > 0, "a mailbox of \(capacity) messages")
    self.capacity = capacity
  }

  /// Adds a message, unless the mailbox was closed or is full.
  ///
  /// - Returns: Whether the mailbox was not full.
  func deliver(_ message: Message) -> Bool {
    state.update { [capacity] state in
      guard state.failure == nil else { return true }
      guard state.messages.count < capacity else { return false }
      state.messages.append(message)
      return true
    }
  }

  /// Ends the mailbox: who waits, and who asks once the messages are read, gets the error.
  ///
  /// The first reason stays.
  func close(_ reason: any Error) {
    state.update { state in
      if state.failure == nil { state.failure = reason }
    }
  }

  /// Takes the oldest message, waiting for one if need be.
  ///
  /// - Throws: The reason of ``close(_:)``, or `CancellationError`.
  func next() async throws -> Message {
    let result = try await state.take { state -> Result<Message, any Error>? in
      if let message = state.messages.popFirst() { return .success(message) }
      return state.failure.map { .failure($0) }
    }
    return try result.get()
  }
}
