// Sources may be cancelled from any thread; Dispatch does not say so in types.
@preconcurrency import Dispatch
import Foundation

/// The wish to stop: SIGINT, SIGTERM, or the end of standard input for a child whose parent is
/// gone.
///
/// The first wish is handed to whoever waits; a second signal ends the process at once.
final class StopRequests: Sendable {
  /// Where the wish came from.
  enum Reason: String, Sendable {
    case interrupted = "interrupted"
    case terminated = "terminated"
    case parentGone = "the parent process is gone"
  }

  private let reasons: AsyncStream<Reason>
  private let sources: [any DispatchSourceSignal]

  /// Starts to watch.
  /// - Parameter standardInput: whether the end of standard input is a wish to stop.
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
      let wasAsked = Once()
      source.setEventHandler {
        guard wasAsked.isFirst() else { _exit(ExitStatus.failed.rawValue) }
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

  /// Waits for the wish.
  /// - Throws: `CancellationError` when the task is cancelled first.
  func next() async throws -> Reason {
    for await reason in reasons { return reason }
    throw CancellationError()
  }
}
