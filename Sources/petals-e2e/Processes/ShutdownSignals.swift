import AsyncPrimitives
@preconcurrency import Dispatch
import Foundation
import Synchronization

// Sources may be cancelled from any thread; Dispatch does not say so in types.

/// Requests to shut down: SIGINT, SIGTERM, or SIGHUP, which also says that the parent is gone
/// (``ParentLifeline``).
///
/// The first request is handed to the waiting task; the same signal again ends the process at once.
/// A hang-up that was ignored when the process began (`nohup`) is ignored on.
final class ShutdownSignals: Sendable {
  /// The origin of a request.
  enum Reason: String, Sendable {
    case interrupted = "interrupted"
    case terminated = "terminated"
    case hungUp = "the terminal or the parent process is gone"
  }

  private let first: AsyncState<Reason?>
  private let sources: [any DispatchSourceSignal]

  /// The first request, if there was one by now.
  var received: Reason? { first.value }

  /// Installs the signal handlers.
  init() {
    let first = AsyncState<Reason?>(nil)
    self.first = first
    var handled = [(SIGINT, Reason.interrupted), (SIGTERM, .terminated)]
    if !Self.ignoresHangUps { handled.append((SIGHUP, .hungUp)) }
    // A signal that comes before its source is registered is lost. The queue has a thread of its
    // own, so that nothing holds up what this waits for.
    let queue = DispatchQueue(label: "petals-e2e.signals")
    let registered = DispatchSemaphore(value: 0)
    sources = handled.map { number, reason in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      let isRequested = Once()
      source.setEventHandler {
        guard isRequested.isFirst() else { _exit(ExitStatus.failed.rawValue) }
        first.update { if $0 == nil { $0 = reason } }
      }
      source.setRegistrationHandler { registered.signal() }
      source.resume()
      return source
    }
    for _ in sources { registered.wait() }
  }

  private static var ignoresHangUps: Bool {
    // The handler can only be read by replacing it.
    let handler = signal(SIGHUP, SIG_IGN)
    signal(SIGHUP, handler)
    return unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  /// The first request; waits for it if need be.
  /// - Throws: `CancellationError` when the task is cancelled first.
  func next() async throws -> Reason {
    try await first.take { $0 }
  }
}

/// A flag that is set once.
final class Once: Sendable {
  private let happened = Atomic(false)

  /// Sets the flag.
  /// - Returns: true for the first call, false for all later ones.
  func isFirst() -> Bool {
    !happened.exchange(true, ordering: .acquiringAndReleasing)
  }
}
