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

    /// About how many bytes of memory it takes: the line, and the same texts in the event.
    var byteCount: Int { 256 + 3 * line.utf8.count }
  }

  private struct State {
    /// The entries that are kept, as a ring: that of number n stands at (n - 1) modulo the capacity, and those
    /// that are gone are nil.
    private var ring: [Entry?] = []
    private var byteCount = 0
    private(set) var count = 0
    /// How many are not kept any more: the oldest.
    private(set) var gone = 0

    mutating func append(_ entry: Entry, capacity: Int, byteLimit: Int) {
      if count - gone == capacity { dropFirst(capacity) }
      if ring.count < capacity { ring.append(entry) } else { ring[count % capacity] = entry }
      count += 1
      byteCount += entry.byteCount
      while byteCount > byteLimit, count - gone > 1 { dropFirst(capacity) }
    }

    private mutating func dropFirst(_ capacity: Int) {
      byteCount -= ring[gone % capacity]?.byteCount ?? 0
      ring[gone % capacity] = nil
      gone += 1
    }

    /// Those that are kept behind a number, the oldest first.
    func kept(after number: Int, capacity: Int) -> some Sequence<Entry> {
      (min(count, max(number, gone))..<count).lazy.compactMap { ring[$0 % capacity] }
    }
  }

  private struct Signal: Sendable {
    var count = 0
    var isClosed = false
  }

  /// The most events, and about the most bytes of them, that are read at once.
  private static let batch = (events: 1000, bytes: 256 << 10)

  private let capacity: Int
  private let byteLimit: Int
  private let state = Mutex(State())
  private let signal = AsyncState(Signal())
  private let sink: @Sendable (Entry) -> Void

  /// An empty stream.
  /// - Parameters:
  ///   - capacity: How many events are kept for readers that come late, at least one.
  ///   - byteLimit: About how much memory they may take, in bytes; the latest one is kept whatever it takes.
  ///   - sink: Gets each event as it is recorded, in their order, before any reader: a file, say.
  public init(
    capacity: Int = 100_000, byteLimit: Int = 128 << 20,
    sink: @escaping @Sendable (Entry) -> Void = { _ in }
  ) {
    precondition(capacity > 0, "a stream keeps at least one event")
    self.capacity = capacity
    self.byteLimit = byteLimit
    self.sink = sink
  }

  /// How many events were recorded; the last one's number.
  public var count: Int { state.withLock { $0.count } }

  /// The events that are kept, the oldest first.
  public var kept: [WatchedEvent] {
    state.withLock { $0.kept(after: 0, capacity: capacity).map(\.event) }
  }

  /// Appends an event, which gets the next number.
  public func record(_ event: WatchedEvent) {
    let count = state.withLock { state in
      var event = event
      event.number = state.count + 1
      let entry = Entry(event: event, line: event.line)
      state.append(entry, capacity: capacity, byteLimit: byteLimit)
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

  /// The events behind a number, a thousand at most, and no more than 256 KiB of them but for a single one that
  /// is longer; waits until there is one.
  ///
  /// Who asks for events that are not kept any more gets the oldest that are: their number tells of the gap.
  /// - Parameter number: The last event that the reader has; 0 for none.
  /// - Returns: At least one event; none once the stream is closed and everything was read.
  /// - Throws: `CancellationError`.
  public func entries(after number: Int) async throws -> [Entry] {
    _ = try await signal.wait { $0.count > number || $0.isClosed }
    return state.withLock { state in
      var (batch, bytes): ([Entry], Int) = ([], 0)
      // Whoever asks for events behind one that is not there yet, of whatever number, gets none.
      for entry in state.kept(after: number, capacity: capacity) {
        bytes += entry.line.utf8.count
        if batch.count == Self.batch.events || bytes > Self.batch.bytes && !batch.isEmpty { break }
        batch.append(entry)
      }
      return batch
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
