import AsyncPrimitives
import NIOCore
import Synchronization

/// One connection, as the server keeps it: what it waits for, and since when.
final class Connection: Sendable {
  enum Phase: Sendable {
    /// Between requests, since then.
    case idle(since: Duration)
    /// A request's bytes arrive, since then.
    case receiving(since: Duration)
    /// The service has the request.
    case handling
    /// The peer is to take a piece of a streamed answer, since then.
    case writing(since: Duration)
    /// The answer is on its way out, or the rest of a request that was answered early still comes.
    case ending(since: Duration)
    /// The last answer is out, and the peer has not ended its side yet.
    case lingering(since: Duration)
  }

  let channel: any Channel
  /// The peer's address, as `127.0.0.1:51234`.
  let remote: String?
  private let phase: Mutex<Phase>
  private let now: @Sendable () -> Duration

  init(_ channel: any Channel, now: @escaping @Sendable () -> Duration) {
    self.channel = channel
    self.now = now
    remote = channel.remoteAddress.map { "\($0.ipAddress ?? ""):\($0.port ?? 0)" }
    phase = Mutex(.idle(since: now()))
  }

  /// Bytes came: where none of a request were there before, one begins.
  func bytesArrived() {
    phase.withLock { phase in
      if case .idle = phase { phase = .receiving(since: now()) }
    }
  }

  /// The service is done: what remains is up to the peer, which reads the answer and sends the rest.
  func ends() { phase.withLock { $0 = .ending(since: now()) } }

  /// Everything is said: what remains is the peer's end.
  func lingers() { phase.withLock { $0 = .lingering(since: now()) } }

  var isLingering: Bool {
    phase.withLock { phase in
      if case .lingering = phase { true } else { false }
    }
  }

  var isWriting: Bool {
    phase.withLock { phase in
      if case .writing = phase { true } else { false }
    }
  }

  /// The service has the request, and nothing is up to the peer.
  func requestArrived() { phase.withLock { $0 = .handling } }

  /// A piece of the answer is on its way: the peer has to read.
  func writes() { phase.withLock { $0 = .writing(since: now()) } }

  func answered() { phase.withLock { $0 = .idle(since: now()) } }

  /// How much of its time the peer has left; nil while nothing is up to it.
  fileprivate func timeLeft(_ limits: ServerLimits, at time: Duration) -> Duration? {
    phase.withLock { phase in
      switch phase {
      case .idle(let since): limits.idleTime - (time - since)
      case .receiving(let since), .ending(let since), .lingering(let since):
        limits.requestTime - (time - since)
      case .writing(let since):
        limits.requestTime - (time - since)
      case .handling: nil
      }
    }
  }
}

/// The open connections of a server.
final class ConnectionTable: Sendable {
  private struct State {
    /// The connections, and by how much each is held: once while it is open, and once by every task
    /// that works for it.
    var open: [ObjectIdentifier: (connection: Connection, holds: Int)] = [:]
    var isStopping = false
    var whenEmpty: CheckedContinuation<Void, Never>?
  }

  private let limits: ServerLimits
  private let elapsed: @Sendable () -> Duration
  private let state = Mutex(State())

  init(_ limits: ServerLimits) {
    self.limits = limits
    let age = Stopwatch(limits.clock)
    elapsed = { age.elapsed }
  }

  var count: Int { state.withLock { $0.open.count } }

  /// Whether the server stops.
  var isStopping: Bool { state.withLock { $0.isStopping } }

  /// Takes a connection in; nil when there are too many, or the server stops.
  func admit(_ channel: any Channel) -> Connection? {
    let connection = Connection(channel, now: elapsed)
    let isAdmitted = state.withLock { state in
      guard !state.isStopping, state.open.count < limits.connections else { return false }
      state.open[ObjectIdentifier(connection)] = (connection, 1)
      return true
    }
    guard isAdmitted else { return nil }
    channel.closeFuture.whenComplete { _ in self.release(connection) }
    return connection
  }

  /// Keeps a connection in the table until ``release(_:)``, even when it is closed meanwhile.
  func hold(_ connection: Connection) {
    state.withLock { $0.open[ObjectIdentifier(connection)]?.holds += 1 }
  }

  func release(_ connection: Connection) {
    let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
      let id = ObjectIdentifier(connection)
      guard let holds = state.open[id]?.holds else { return nil }
      state.open[id] = holds > 1 ? (connection, holds - 1) : nil
      guard state.open.isEmpty else { return nil }
      defer { state.whenEmpty = nil }
      return state.whenEmpty
    }
    waiter?.resume()
  }

  /// Closes what is overdue, until the task is cancelled.
  func sweep() async {
    // No clock knows a time that lies farther ahead than its type. What begins while this sleeps is due
    // after the shorter time at the earliest.
    let longest = min(limits.requestTime, limits.idleTime, .seconds(86_400))
    var pause = longest
    while true {
      do {
        try await limits.clock.sleep(for: pause)
      } catch {
        // Only the cancellation ends a sleep before its time.
        return
      }
      let time = elapsed()
      pause = longest
      for connection in connections {
        guard let left = connection.timeLeft(limits, at: time) else { continue }
        if left <= .zero {
          connection.channel.close(promise: nil)
        } else {
          pause = min(pause, left)
        }
      }
      // Not for each of thousands by itself.
      pause = max(pause, longest / 16)
    }
  }

  private var connections: [Connection] { state.withLock { $0.open.values.map(\.connection) } }

  /// Takes no more connections, and asks those that are open to end after their request.
  func quiesce() {
    state.withLock { $0.isStopping = true }
    for connection in connections {
      if connection.isLingering {
        connection.channel.close(promise: nil)
      } else {
        connection.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
      }
    }
  }

  /// Closes every connection, whatever it does.
  func closeAll() {
    for connection in connections { connection.channel.close(promise: nil) }
  }

  /// Returns once no connection is open.
  func waitUntilEmpty() async {
    await withCheckedContinuation { continuation in
      let isEmpty = state.withLock { state in
        if !state.open.isEmpty { state.whenEmpty = continuation }
        return state.open.isEmpty
      }
      if isEmpty { continuation.resume() }
    }
  }
}
