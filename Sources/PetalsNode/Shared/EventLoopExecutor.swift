import Foundation
import NIOCore
import NIOPosix
import Synchronization

/// A task executor on one event loop, for connections and the tasks that use them.
///
/// A message that changes threads on its way waits for each of them to wake, which takes longer than
/// all that is done with it. So a server's calls run on the thread of its connections, and so does
/// a client's generation between its steps; only arithmetic is handed away.
final class EventLoopExecutor: TaskExecutor {
  private static let all = (0..<max(1, ProcessInfo.processInfo.activeProcessorCount)).map { _ in
    EventLoopExecutor()
  }
  private static let turn = Atomic<Int>(0)

  /// The process's threads in turn, as many as it has cores: they are started once and kept.
  static func next() -> EventLoopExecutor {
    let turn = turn.wrappingAdd(1, ordering: .relaxed).oldValue
    return all[Int(UInt(bitPattern: turn) % UInt(all.count))]
  }

  /// The thread, as transports want it.
  let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  private let loop: any EventLoop

  private init() { loop = group.any() }

  /// Runs a part of a task.
  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
