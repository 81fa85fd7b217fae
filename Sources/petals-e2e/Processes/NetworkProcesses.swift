import MockServing
import Subprocess
import Synchronization

/// The children of this process that make a network, stopped in the reverse order of their start.
final class NetworkProcesses: Sendable {
  private let children = Mutex<[ServiceProcess]>([])
  private let failures = Journal<ChildFailure>()
  private let environment = BLASEnvironment.forChildren
  private let watcher: NetworkWatcher?

  /// - Parameter watcher: Gathers what the children do; nil where nobody watches.
  init(watcher: NetworkWatcher? = nil) { self.watcher = watcher }

  /// Every child, in the order of its start.
  var all: [ServiceProcess] { children.withLock { $0 } }

  /// Starts a child.
  /// - Parameters:
  ///   - name: what people call it.
  ///   - arguments: those of the subcommand, which must be a service.
  ///   - part: what it is called among the network's parts; its name by default.
  @discardableResult
  func start(_ name: String, _ arguments: [String], part: String? = nil) -> ServiceProcess {
    let tell = watcher?.watch(part ?? name)
    let child = ServiceProcess(
      name: name, arguments: arguments + (watcher == nil ? [] : ["--observe"]),
      environment: environment, onUnexpectedEnd: { self.failures.record($0) },
      onNews: { tell?($0) })
    children.withLock { $0.append(child) }
    return child
  }

  /// The first child that ended without having been asked to; waits for it.
  /// - Throws: `CancellationError` when the task is cancelled first.
  func firstFailure() async throws -> ChildFailure { try await failures.next() }

  /// As `firstFailure`, if there is one by now or within a moment; nil otherwise.
  ///
  /// An error of a child's peers is often seen before the end of the child that caused it.
  func recentFailure() async -> ChildFailure? {
    if let failure = await failure(within: .seconds(1)) { return failure }
    // The last line of one that has ended is still being read, slowly on a busy machine.
    return all.contains(where: \.hasExited) ? await failure(within: .seconds(10)) : nil
  }

  private func failure(within limit: Duration) async -> ChildFailure? {
    do {
      return try await withDeadline(limit, "no child ended") { try await self.firstFailure() }
    } catch {
      // None ended: the trouble has another cause, which the caller knows.
      return nil
    }
  }

  /// Asks children to stop, the last started first, each after the one before is gone: nodes
  /// report once more while the oracle still listens.
  /// - Returns: how each ended; none of them is left.
  @discardableResult
  func stop(
    _ children: [ServiceProcess]
  ) async -> [(name: String, termination: ServiceProcess.Termination)] {
    var terminations: [(String, ServiceProcess.Termination)] = []
    for child in children.reversed() {
      child.requestStop()
      terminations.append((child.name, await child.terminationIgnoringCancellation()))
    }
    return terminations
  }
}
