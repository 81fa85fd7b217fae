import NIOCore
import Synchronization

/// How long an HTTP client may keep a node waiting.
struct ClientPatience: Sendable {
  /// For a whole request, or to take what it was sent.
  let limit: Duration
  /// For the next request on a connection.
  let idle: Duration
  let clock: any Clock<Duration>
}

/// The connections of an HTTP listener: those whose client keeps it waiting for too long are closed.
final class HTTPConnections: Sendable {
  /// What one connection waits for.
  final class Member: Sendable {
    enum Wait: Hashable, Sendable {
      /// For the node itself.
      case none
      /// For the client, which sends a request or takes an answer.
      case client
      /// For the next request.
      case request
    }

    fileprivate let channel: any Channel
    private let elapsed: @Sendable () -> Duration
    private let state: Mutex<(wait: Wait, since: Duration)>

    fileprivate init(_ channel: any Channel, elapsed: @escaping @Sendable () -> Duration) {
      self.channel = channel
      self.elapsed = elapsed
      state = Mutex((.request, elapsed()))
    }

    /// It waits for this from now on, if it did not before.
    func waits(for wait: Wait) {
      state.withLock { if $0.wait != wait { $0 = (wait, elapsed()) } }
    }

    fileprivate func isOverdue(_ patience: ClientPatience, at time: Duration) -> Bool {
      state.withLock { state in
        switch state.wait {
        case .none: false
        case .client: time - state.since >= patience.limit
        case .request: time - state.since >= patience.idle
        }
      }
    }
  }

  private let patience: ClientPatience
  private let time: Stopwatch
  private let members = Mutex<[ObjectIdentifier: Member]>([:])

  init(_ patience: ClientPatience) {
    self.patience = patience
    time = Stopwatch(patience.clock)
  }

  /// Watches a connection until it is closed.
  func add(_ channel: any Channel) -> Member {
    let member = Member(channel) { [time] in time.elapsed }
    let id = ObjectIdentifier(member)
    members.withLock { $0[id] = member }
    channel.closeFuture.whenComplete { _ in self.members.withLock { $0[id] = nil } }
    return member
  }

  /// Closes what is overdue, until the task is cancelled.
  func sweep() async {
    while true {
      do {
        try await patience.clock.sleep(for: min(patience.limit, patience.idle) / 4)
      } catch {
        // Only the cancellation ends a sleep before its time.
        return
      }
      let now = time.elapsed
      for member in members.withLock({ Array($0.values) })
      where member.isOverdue(patience, at: now) {
        member.channel.close(promise: nil)
      }
    }
  }
}
