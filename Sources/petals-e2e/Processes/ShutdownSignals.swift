@preconcurrency import Dispatch
import Foundation
import Synchronization

// Sources may be cancelled from any thread; Dispatch does not say so in types.

/// Requests to shut down: SIGINT, SIGTERM, or the end of standard input for a child whose parent is
/// gone.
///
/// The first request is handed to the waiting task; a second signal ends the process at once.
final class ShutdownSignals: Sendable {
  /// The origin of a request.
  enum Reason: String, Sendable {
    case interrupted = "interrupted"
    case terminated = "terminated"
    case parentGone = "the parent process is gone"
  }

  private let reasons: AsyncStream<Reason>
  private let sources: [any DispatchSourceSignal]

  /// Installs the signal handlers.
  /// - Parameter standardInput: whether the end of standard input is a request, too.
  init(watchingStandardInput standardInput: Bool = false) {
    let (reasons, continuation) = AsyncStream.makeStream(of: Reason.self)
    self.reasons = reasons
    // A signal that comes before its source is registered is lost. The queue has a thread of its
    // own, so that nothing holds up what this waits for.
    let queue = DispatchQueue(label: "petals-e2e.signals")
    let registered = DispatchSemaphore(value: 0)
    sources = [(SIGINT, Reason.interrupted), (SIGTERM, .terminated)].map { number, reason in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      let isRequested = Once()
      source.setEventHandler {
        guard isRequested.isFirst() else { _exit(ExitStatus.failed.rawValue) }
        continuation.yield(reason)
      }
      source.setRegistrationHandler { registered.signal() }
      source.resume()
      return source
    }
    for _ in sources { registered.wait() }
    if standardInput {
      Thread.detachNewThread {
        var byte: UInt8 = 0
        while true {
          let count = read(STDIN_FILENO, &byte, 1)
          if count > 0 || (count < 0 && errno == EINTR) { continue }
          continuation.yield(.parentGone)
          return
        }
      }
    }
  }

  /// Waits for the first request.
  /// - Throws: `CancellationError` when the task is cancelled first.
  func next() async throws -> Reason {
    for await reason in reasons { return reason }
    throw CancellationError()
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
