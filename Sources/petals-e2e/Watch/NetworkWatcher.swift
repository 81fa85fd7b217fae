import Foundation
import MockServing
import NetworkWatch
import ReportPages
import Synchronization

/// Gathers what the parts of a network say into one stream of events.
final class NetworkWatcher: Sendable {
  /// The events of everything that is watched.
  let events: EventStream
  /// Those from which it follows when which fault was on, however many others have come since.
  private let turns: FaultTurns

  /// - Parameter file: Where each event is appended as a line of JSON.
  init(file: EventFile? = nil) {
    let turns = FaultTurns()
    self.turns = turns
    events = EventStream { entry in
      turns.note(entry.event)
      file?.append(entry.line)
    }
  }

  /// When which fault was on until now.
  /// - Parameter start: The report's beginning, from which times are told.
  func faultBands(from start: Date) -> [FaultBand] {
    NetworkHistory.faultBands(of: turns.events, from: start.timeIntervalSince1970 * 1000)
  }

  /// What a child's process and its lines of output say, for one part.
  func watch(_ part: String) -> @Sendable (ServiceProcess.News) -> Void {
    { [events] news in
      switch news {
      case .entry(.started(let process)):
        events.record(part, .life(PartLife(.started, process: Int(process))))
      case .entry(.event(.listening(let service, let url))):
        // The second port of a service is how it is ordered about, and no part of the network.
        let main: Set<ServiceEvent.Service> = [.chain, .oracle, .node, .gateway]
        if main.contains(service) { events.record(part, .life(PartLife(.listening, url: url))) }
      case .entry(.event(let event)):
        if let act = AgentAct(event) { events.record(part, .agent(act)) }
      case .entry(.ended(let termination)):
        events.record(part, .life(termination.partLife))
      case .observed(var event):
        event.part = part
        events.record(event)
      }
    }
  }

  /// Records a step of the flow.
  func record(_ step: Step) {
    events.record(
      "network",
      .check(
        CheckNews(
          title: step.title, passed: step.passed,
          milliseconds: step.duration / .milliseconds(1), detail: step.detail)))
  }
}

/// The latest events of faults, of links, and of processes that start, which end the faults of those before them.
private final class FaultTurns: Sendable {
  /// Each is ordered by a person or a test; of more the oldest are forgotten.
  private static let capacity = 10_000

  private let kept = Journal<WatchedEvent>(capacity: capacity)

  var events: [WatchedEvent] { kept.entries }

  func note(_ event: WatchedEvent) {
    switch event.kind {
    case .fault, .link, .life: kept.record(event)
    default: break
    }
  }
}

extension ServiceProcess.Termination {
  fileprivate var partLife: PartLife {
    if killWasRequested { return PartLife(.killed) }
    if stopWasRequested { return PartLife(.stopped) }
    return PartLife(.failed, reason: stderrTail.isEmpty ? nil : stderrTail)
  }
}

/// A file that gets each event as a line of JSON, as soon as it happens.
final class EventFile: Sendable {
  private let descriptor: Int32
  private let path: String
  private let hasFailed = Mutex(false)

  /// Makes the file, or empties the one that is there.
  /// - Throws: `CommandFailure` (wrong input) when it cannot be written.
  init(_ path: String) throws {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw CommandFailure.wrongInput(
        "cannot write --events \(path): \(String(cString: strerror(errno)))")
    }
  }

  deinit { close(descriptor) }

  /// Appends a line; the first failure is told, on standard error, and the network goes on.
  func append(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else {
        let reason = String(cString: strerror(errno))
        let isFirst = hasFailed.withLock { hasFailed in
          defer { hasFailed = true }
          return !hasFailed
        }
        if isFirst {
          StandardStream.error.write(line: "petals-e2e: cannot write --events \(path): \(reason)")
        }
        return
      }
      rest = rest.dropFirst(count)
    }
  }
}
