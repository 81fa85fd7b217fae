import AsyncPrimitives
import Foundation
import Synchronization

/// The events of a network in one order, for any number of readers, each at its own pace.
///
/// A reader asks for what comes after the last event that it has, and waits if there is none: however slow it
/// is, it misses nothing that is still kept, and what it has not read takes no memory of its own.
public final class EventStream: Sendable {
  /// An event and its line of JSON.
  public struct Entry: Sendable {
    /// The event.
    public let event: WatchedEvent
    /// Its line of JSON, without a line break.
    public let line: String
  }

  private struct State {
    /// The entries that are kept, as a ring: that of number n stands at (n - 1) modulo the capacity.
    var ring: [Entry] = []
    var count = 0
  }

  private struct Signal: Sendable {
    var count = 0
    var isClosed = false
  }

  private let capacity: Int
  private let state = Mutex(State())
  private let signal = AsyncState(Signal())
  private let sink: @Sendable (Entry) -> Void

  /// An empty stream.
  /// - Parameters:
  ///   - capacity: How many events are kept for readers that come late, at least one.
  ///   - sink: Gets each event as it is recorded, in their order, before any reader: a file, say.
  public init(capacity: Int = 100_000, sink: @escaping @Sendable (Entry) -> Void = { _ in }) {
    precondition(capacity > 0, "a stream keeps at least one event")
    self.capacity = capacity
    self.sink = sink
  }

  /// How many events were recorded; the last one's number.
  public var count: Int { state.withLock { $0.count } }

  /// The events that are kept, the oldest first.
  public var kept: [WatchedEvent] {
    state.withLock { state in
      (state.count - state.ring.count..<state.count).map { state.ring[$0 % capacity].event }
    }
  }

  /// Appends an event, which gets the next number.
  public func record(_ event: WatchedEvent) {
    let count = state.withLock { state in
      var event = event
      state.count += 1
      event.number = state.count
      let entry = Entry(event: event, line: event.line)
      if state.ring.count < capacity {
        state.ring.append(entry)
      } else {
        state.ring[(state.count - 1) % capacity] = entry
      }
      sink(entry)
      return state.count
    }
    signal.update { $0.count = max($0.count, count) }
  }

  /// Appends an event of a part.
  public func record(_ part: String, _ kind: WatchedKind) { record(WatchedEvent(part, kind)) }

  /// Ends the stream for its readers: who has read everything waits no longer.
  ///
  /// What is recorded after it still goes to the sink.
  public func close() {
    signal.update { $0.isClosed = true }
  }

  /// The events behind a number, a thousand at most; waits until there is one.
  ///
  /// Who asks for events that are not kept any more gets the oldest that are: their number tells of the gap.
  /// - Parameter number: The last event that the reader has; 0 for none.
  /// - Returns: At least one event; none once the stream is closed and everything was read.
  /// - Throws: `CancellationError`.
  public func entries(after number: Int) async throws -> [Entry] {
    _ = try await signal.wait { $0.count > number || $0.isClosed }
    return state.withLock { state in
      let first = max(number, state.count - state.ring.count)
      // Whoever asks for events behind one that is not there yet, of whatever number, gets none.
      guard first < state.count else { return [] }
      let end = min(state.count, first + 1000)
      return (first..<end).map { state.ring[$0 % capacity] }
    }
  }

  /// The first event behind a number that a closure makes something of; waits for it.
  /// - Throws: `CancellationError`, or ``StreamEnded`` when the stream is closed before.
  public func next<Found>(
    after number: Int = 0, _ find: (WatchedEvent) -> Found?
  ) async throws -> Found {
    var last = number
    while true {
      let batch = try await entries(after: last)
      guard let end = batch.last else { throw StreamEnded(count: count) }
      for entry in batch {
        if let found = find(entry.event) { return found }
      }
      last = end.event.number
    }
  }
}

/// A stream was closed before what its reader waits for.
public struct StreamEnded: Error, CustomStringConvertible {
  /// How many events it had.
  public let count: Int

  /// One line that says so.
  public var description: String { "the stream ended after \(count) events" }
}
