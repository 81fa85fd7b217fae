import Foundation
import MockServing
import Subprocess
import Synchronization

/// A child of this process that runs one service of the same executable.
///
/// The child's standard input is a pipe that only this process holds: when this process ends,
/// however it ends, the child reads the end of its input and stops.
final class ServiceProcess: Sendable {
  /// What is known of the child, in order.
  enum Note: Sendable {
    case started(processID: Int32)
    case event(ServiceEvent)
    case ended(Ending)
  }

  /// How the child ended.
  struct Ending: Sendable {
    let status: TerminationStatus?
    /// Its last words on standard error, or why it could not be started.
    let lastWords: String
    /// Whether it had been told to stop.
    let wasAsked: Bool
  }

  let name: String
  private let notes = Journal<Note>()
  private let stop: AsyncStream<Void>.Continuation
  private let wasAsked = Mutex(false)
  private let onUnexpectedEnd: @Sendable (ChildFailure) -> Void

  /// Starts a child.
  /// - Parameters:
  ///   - name: what people call it.
  ///   - arguments: those of the subcommand, which must be a service.
  ///   - environment: what the child finds in its environment.
  ///   - onUnexpectedEnd: called when the child ends without having been asked to.
  init(
    name: String, arguments: [String], environment: Environment = .inherit,
    onUnexpectedEnd: @escaping @Sendable (ChildFailure) -> Void = { _ in }
  ) {
    self.name = name
    self.onUnexpectedEnd = onUnexpectedEnd
    let (stops, stop) = AsyncStream.makeStream(of: Void.self)
    self.stop = stop
    Task { await run(arguments, environment, stops) }
  }

  /// The child's process number, once it was started.
  var processID: Int32? {
    for case .started(let processID) in notes.entries { return processID }
    return nil
  }

  /// Whether the child has ended, though nobody may have been told yet.
  var hasEnded: Bool {
    guard let processID else { return false }
    var information = siginfo_t()
    let result = waitid(P_PID, id_t(processID), &information, WEXITED | WNOHANG | WNOWAIT)
    // No child any more, or one whose end waits to be collected.
    return result != 0 || information.si_signo != 0
  }

  /// Every event so far.
  var events: [ServiceEvent] {
    notes.entries.compactMap { if case .event(let event) = $0 { event } else { nil } }
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
    let note = try await notes.next { note in
      switch note {
      case .started: false
      case .event(let event): match(event) != nil
      case .ended: true
      }
    }
    if case .event(let event) = note, let found = match(event) { return found }
    guard case .ended(let ending) = note else { throw CancellationError() }
    throw ChildFailure(name: name, ending: ending)
  }

  /// Waits until the service listens.
  /// - Returns: its URL.
  func url(of service: ServiceEvent.Service) async throws -> String {
    try await event { event in
      if case .listening(service, let url) = event { url } else { nil }
    }
  }

  /// Waits for the end of the child, however it comes.
  func ending() async throws -> Ending {
    let note = try await notes.next { if case .ended = $0 { true } else { false } }
    guard case .ended(let ending) = note else { throw CancellationError() }
    return ending
  }

  /// As `ending`, also when the waiting task is cancelled: whoever stops children must see the end.
  func endingRegardless() async -> Ending {
    await Task {
      do { return try await ending() } catch { preconditionFailure("nothing cancels this task") }
    }.value
  }

  /// Asks the child to stop (SIGTERM, then SIGKILL after ten seconds).
  func requestStop() {
    wasAsked.withLock { $0 = true }
    stop.finish()
  }

  private func run(
    _ arguments: [String], _ environment: Environment, _ stops: AsyncStream<Void>
  ) async {
    let words = LastWords()
    var options = PlatformOptions()
    // A group of its own: Ctrl-C on the terminal reaches the parent only, which stops the
    // children in their order.
    options.processGroupID = 0
    let teardown = [TeardownStep.gracefulShutDown(allowedDurationToNextStep: .seconds(10))]
    options.teardownSequence = teardown
    var status: TerminationStatus?
    do {
      let result = try await Subprocess.run(
        .path(.init(Executable.current)),
        arguments: Arguments(arguments + ["--json", "--exit-with-stdin"]),
        environment: environment, platformOptions: options, input: .inputWriter,
        output: .sequence, error: .sequence
      ) { execution in
        notes.record(.started(processID: execution.processIdentifier.value))
        async let output: Void = listen(to: execution.standardOutput)
        async let error: Void = words.listen(to: execution.standardError)
        let stopper = Task {
          for await _ in stops {}
          if !Task.isCancelled { await execution.teardown(using: teardown) }
        }
        // Both streams end with the child; the wish to stop may never come.
        _ = await (output, error)
        stopper.cancel()
        await stopper.value
      }
      status = result.terminationStatus
    } catch {
      words.add(error)
    }
    let ending = Ending(
      status: status, lastWords: words.text, wasAsked: wasAsked.withLock { $0 })
    notes.record(.ended(ending))
    if !ending.wasAsked { onUnexpectedEnd(ChildFailure(name: name, ending: ending)) }
  }

  private func listen(to output: SubprocessOutputSequence) async {
    do {
      for try await line in output.strings() {
        if let event = ServiceEvent(line: line) { notes.record(.event(event)) }
      }
    } catch {
      notes.record(.event(.trouble("cannot read what \(name) prints: \(error)")))
    }
  }
}
