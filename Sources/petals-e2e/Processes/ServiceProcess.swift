import Foundation
import MockServing
import NetworkWatch
import Subprocess
import Synchronization

/// A child of this process that runs one service of the same executable.
///
/// It stops when this process ends, however that comes (``ParentLifeline``).
final class ServiceProcess: Sendable {
  /// An entry of the child's journal.
  enum Entry: Sendable {
    case started(processID: Int32)
    case event(ServiceEvent)
    case ended(Termination)
  }

  /// What is told to who watches the child.
  enum News: Sendable {
    /// A new entry of the journal.
    case entry(Entry)
    /// Something that the service did, which the journal does not keep.
    case observed(WatchedEvent)
  }

  /// How the child ended.
  struct Termination: Sendable {
    let status: TerminationStatus?
    /// Its last line on standard error, or why it could not be started.
    let stderrTail: String
    /// Whether `requestStop()` was called before it ended.
    let stopWasRequested: Bool
    /// Whether `kill()` was called before it ended.
    let killWasRequested: Bool
    /// Whether it had said by then that it listens.
    let listened: Bool
    /// The port that its arguments name; nil for any free one.
    let port: Int?

    /// Whether it ended as it should: by itself, with success, once it was asked to.
    ///
    /// One that was asked before it listened may not have begun to handle signals, and then ends by
    /// the signal itself; nobody used it yet.
    ///
    /// One that was killed on purpose ended as it was meant to.
    var isOrderly: Bool {
      killWasRequested || stopWasRequested && (status?.isSuccess == true || !listened)
    }
  }

  let name: String
  private let journal = Journal<Entry>()
  private let stop: AsyncStream<Void>.Continuation
  private let stopWasRequested = Mutex(false)
  private let killWasRequested = Mutex(false)
  private let onUnexpectedEnd: @Sendable (ChildFailure) -> Void
  private let onNews: @Sendable (News) -> Void

  /// Starts a child.
  /// - Parameters:
  ///   - name: what people call it.
  ///   - arguments: those of the subcommand, which must be a service.
  ///   - environment: what the child finds in its environment.
  ///   - onUnexpectedEnd: called when the child ends without having been asked to.
  ///   - onNews: is told of every entry of the journal, and of what the service does.
  init(
    name: String, arguments: [String], environment: Environment = .inherit,
    onUnexpectedEnd: @escaping @Sendable (ChildFailure) -> Void = { _ in },
    onNews: @escaping @Sendable (News) -> Void = { _ in }
  ) {
    self.name = name
    self.onNews = onNews
    self.onUnexpectedEnd = onUnexpectedEnd
    let (stops, stop) = AsyncStream.makeStream(of: Void.self)
    self.stop = stop
    Task { await run(arguments, environment, stops) }
  }

  /// The child's process number, once it was started.
  var processID: Int32? {
    for case .started(let processID) in journal.entries { return processID }
    return nil
  }

  /// Whether the child has ended, even if its journal does not say so yet.
  var hasExited: Bool {
    guard let processID else { return false }
    var information = siginfo_t()
    let result = waitid(P_PID, id_t(processID), &information, WEXITED | WNOHANG | WNOWAIT)
    // No child any more, or one whose end waits to be collected.
    return result != 0 || information.si_signo != 0
  }

  /// Every event so far.
  var events: [ServiceEvent] {
    journal.entries.compactMap { if case .event(let event) = $0 { event } else { nil } }
  }

  /// The ports that it said it listens on.
  var ports: [Int] {
    events.compactMap { event in
      guard case .listening(_, let url) = event else { return nil }
      return url.split(separator: ":").last.flatMap { Int($0) }
    }
  }

  /// Waits for an event.
  /// - Throws: `ChildFailure` when the child ends first.
  @discardableResult
  func event<R: Sendable>(_ match: @escaping @Sendable (ServiceEvent) -> R?) async throws -> R {
    let entry = try await journal.next { entry in
      switch entry {
      case .started: false
      case .event(let event): match(event) != nil
      case .ended: true
      }
    }
    if case .event(let event) = entry, let found = match(event) { return found }
    guard case .ended(let termination) = entry else { throw CancellationError() }
    throw ChildFailure(name: name, termination: termination)
  }

  /// Waits until the service listens.
  /// - Returns: its URL.
  func url(of service: ServiceEvent.Service) async throws -> String {
    try await event { event in
      if case .listening(service, let url) = event { url } else { nil }
    }
  }

  /// Waits for the end of the child, however it comes.
  func termination() async throws -> Termination {
    let entry = try await journal.next { if case .ended = $0 { true } else { false } }
    guard case .ended(let termination) = entry else { throw CancellationError() }
    return termination
  }

  /// As `termination`, also when the waiting task is cancelled: stopping must see the end.
  func terminationIgnoringCancellation() async -> Termination {
    await Task {
      do { return try await termination() } catch {
        preconditionFailure("nothing cancels this task")
      }
    }.value
  }

  /// Asks the child to stop (SIGTERM, then SIGKILL after ten seconds).
  func requestStop() {
    stopWasRequested.withLock { $0 = true }
    stop.finish()
  }

  /// Kills the child (SIGKILL): it has no time for anything.
  func kill() {
    stopWasRequested.withLock { $0 = true }
    killWasRequested.withLock { $0 = true }
    // One that has ended is not asked: its number may be another process's by now.
    if let processID, !hasExited { _ = Foundation.kill(processID, SIGKILL) }
    stop.finish()
  }

  private func record(_ entry: Entry) {
    journal.record(entry)
    onNews(.entry(entry))
  }

  private func run(
    _ arguments: [String], _ environment: Environment, _ stops: AsyncStream<Void>
  ) async {
    let tail = StderrTail()
    var options = PlatformOptions()
    // A group of its own: Ctrl-C on the terminal reaches the parent only, which stops the
    // children in their order.
    options.processGroupID = 0
    let teardown = [TeardownStep.gracefulShutDown(allowedDurationToNextStep: .seconds(10))]
    options.teardownSequence = teardown
    var status: TerminationStatus?
    do {
      let result = try await Subprocess.run(
        .thisProgram,
        arguments: Arguments(arguments + ["--json"]),
        environment: environment.updating(ParentLifeline.environment), platformOptions: options,
        input: .inputWriter,
        output: .sequence, error: .sequence
      ) { execution in
        record(.started(processID: execution.processIdentifier.value))
        async let output: Void = listen(to: execution.standardOutput)
        async let error: Void = tail.listen(to: execution.standardError)
        let stopper = Task {
          for await _ in stops {}
          if !Task.isCancelled { await execution.teardown(using: teardown) }
        }
        // Both streams end with the child; a stop may never be requested.
        _ = await (output, error)
        stopper.cancel()
        await stopper.value
      }
      status = result.terminationStatus
    } catch {
      tail.add(error)
    }
    let termination = Termination(
      status: status, stderrTail: tail.text, stopWasRequested: stopWasRequested.withLock { $0 },
      killWasRequested: killWasRequested.withLock { $0 },
      listened: !ports.isEmpty, port: Self.port(in: arguments))
    record(.ended(termination))
    if !termination.stopWasRequested {
      onUnexpectedEnd(ChildFailure(name: name, termination: termination))
    }
  }

  private static func port(in arguments: [String]) -> Int? {
    guard let index = arguments.firstIndex(of: "--port"), arguments.indices.contains(index + 1)
    else { return nil }
    return Int(arguments[index + 1]).flatMap { $0 == 0 ? nil : $0 }
  }

  private func listen(to output: SubprocessOutputSequence) async {
    do {
      for try await line in output.printedLines { take(line) }
    } catch {
      record(.event(.trouble("cannot read what \(name) prints: \(error)")))
    }
  }

  /// A line that cannot be read is told, and the lines behind it are read all the same: a child whose output
  /// nobody reads would stand still once the pipe is full.
  private func take(_ line: String) {
    do {
      if let event = try ObservedLine.event(in: line) {
        onNews(.observed(event))
      } else if let event = ServiceEvent(line: line) {
        record(.event(event))
      }
    } catch {
      record(.event(.trouble("cannot read a line that \(name) prints: \(error)")))
    }
  }
}

extension SubprocessOutputSequence {
  /// What our own program prints, by its lines: they end with a line feed alone, since texts in JSON may hold
  /// other line breaks (U+2028), and those of large blocks are long.
  fileprivate var printedLines: StringSequence<UTF8> {
    strings(separatedBy: .unicodeScalarSequence(["\n"]), bufferingPolicy: .maxLineLength(64 << 20))
  }
}

/// A child that ended unexpectedly.
struct ChildFailure: Error, Sendable, CustomStringConvertible {
  let name: String
  let termination: ServiceProcess.Termination

  /// Whether it ended by a signal that asks a program to stop.
  var isByShutdownSignal: Bool {
    guard case .signaled(let number) = termination.status else { return false }
    return [SIGINT, SIGTERM, SIGHUP].contains(number)
  }

  /// The port that it was told to take and that another program has; nil for any other failure.
  var refusedPort: Int? {
    guard case .exited(ExitStatus.wrongInput.rawValue) = termination.status,
      let port = termination.port, termination.stderrTail.hasPrefix("port \(port) "),
      termination.stderrTail.contains("in use")
    else { return nil }
    return port
  }

  var description: String {
    let tail = termination.stderrTail.isEmpty ? "" : ": \(termination.stderrTail)"
    switch termination.status {
    case .signaled(let number): return "\(name) was killed by signal \(number)\(tail)"
    case .exited(let code): return "\(name) ended with exit code \(code)\(tail)"
    case nil: return "\(name) could not be started\(tail)"
    }
  }

  /// A child that refuses its input does so because of ours: the same exit status for both.
  var commandFailure: CommandFailure {
    if case .exited(ExitStatus.wrongInput.rawValue) = termination.status,
      !termination.stderrTail.isEmpty
    {
      return .wrongInput(termination.stderrTail)
    }
    return .failed(description)
  }
}

/// Keeps the last error line that a child wrote to standard error, and forwards lines of a log.
final class StderrTail: Sendable {
  private static let prefix = "petals-e2e: "
  private let line = Mutex("")

  /// The newest line that the command itself wrote, without its name; empty when there is none.
  var text: String { line.withLock { $0 } }

  func add(_ line: String) {
    if line.hasPrefix(Self.prefix) {
      self.line.withLock { $0 = String(line.dropFirst(Self.prefix.count)) }
    } else if !line.isEmpty {
      StandardStream.error.write(line: line.replacingControls(keeping: ["\t"]))
    }
  }

  /// Records why a child could not be started.
  func add(_ error: any Error) {
    line.withLock { $0 = "\(error)" }
  }

  func listen(to error: SubprocessOutputSequence) async {
    do {
      for try await line in error.printedLines { add(line) }
    } catch {
      add("\(Self.prefix)cannot read standard error: \(error)")
    }
  }
}
