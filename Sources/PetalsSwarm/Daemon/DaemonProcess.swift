import AsyncPrimitives
import Foundation
import Subprocess
import Synchronization
import SystemPackage

/// A p2pd process, which ends with this one, however that comes.
///
/// Its parent is a shell that waits at the end of a pipe which only this process holds: when the pipe
/// ends, the shell ends p2pd. So does a deadline of p2pd's own, when nobody is connected to it.
final class DaemonProcess: Sendable {
  /// What p2pd has told.
  private struct State: Sendable {
    var peer: String?
    /// What it wrote to standard error last.
    var lastError = ""
    /// The option that it says it does not know.
    var unknownOption: String?
    /// Nothing more comes from it: it has ended.
    var isSilent = false
    var hasEnded = false
    /// The group of the shell and p2pd.
    var group: Int32?
  }

  /// How long p2pd may take to end, which it does within milliseconds unless it is suspended.
  private static let endLimit = Duration.seconds(10)
  /// How Go's programs begin the line about an option that they do not know.
  private static let unknownOption = "flag provided but not defined: "
  private static let script = """
    "$@" </dev/null &
    child=$!
    exec >/dev/null 2>&1
    read -r line
    kill "$child"
    wait "$child"
    """

  private let state = AsyncState(State())
  private let file: URL
  private let arguments: [String]
  private let launcher: [String]
  /// What the shell waits at the end of.
  private let lifeline = AsyncState(false)

  /// - Parameter launcher: A program and its arguments that become p2pd; none runs it itself.
  init(_ file: URL, _ arguments: [String], launcher: [String]) {
    self.file = file
    self.arguments = arguments
    self.launcher = launcher
  }

  /// Runs the process until ``stop()``, or until it ends by itself.
  ///
  /// - Throws: ``SwarmError/Code/daemonFailed`` when it cannot be started.
  func run() async throws {
    defer { state.update { $0.hasEnded = true } }
    let path = file.path(percentEncoded: false)
    var options = PlatformOptions()
    // A group of its own: Ctrl-C on the terminal reaches this process only.
    options.processGroupID = 0
    do {
      _ = try await Subprocess.run(
        .path("/bin/sh"),
        arguments: Arguments(["-c", Self.script, "sh"] + launcher + [path] + arguments),
        platformOptions: options, input: .inputWriter, output: .sequence, error: .sequence
      ) { execution in
        let group = execution.processIdentifier.value
        state.update { $0.group = group }
        await withTaskGroup(of: Void.self) { tasks in
          tasks.addTask { await self.listen(to: execution.standardOutput, isError: false) }
          tasks.addTask { await self.listen(to: execution.standardError, isError: true) }
          tasks.addTask {
            // Both streams end with p2pd, when the shell has nothing to wait for any more.
            _ = try? await self.lifeline.wait { $0 }
            // A daemon that has ended already has closed it.
            try? await execution.standardInputWriter.finish()
            await self.insist(on: group)
          }
        }
      }
    } catch {
      throw SwarmError(.daemonFailed, "\(path) cannot be started: \(error)")
    }
  }

  /// The process group of p2pd and its shell; nil before they have started.
  var group: Int32? { state.value.group }

  /// Has the process end.
  func stop() { lifeline.update { $0 = true } }

  /// Waits until the process serves.
  ///
  /// - Returns: Its peer's name.
  /// - Throws: ``SwarmError/Code/daemonFailed`` with its last words when it ends first, or says nothing
  ///   within the limit, as a program that is no p2pd, or another version of it.
  func waitUntilReady(
    within limit: Duration, on clock: any Clock<Duration>
  ) async throws -> PeerID {
    let path = file.path(percentEncoded: false)
    let silent = SwarmError(
      .daemonFailed,
      "\(path) did not name its peer within \(limit): is it hivemind's p2pd? `make deps-swarm` "
        + "fetches it")
    let state = try await withDeadline(limit, on: clock, orThrow: silent) {
      try await self.state.wait { $0.peer != nil || $0.hasEnded }
    }
    if let text = state.peer { return try PeerID(parsing: text) }
    if let option = state.unknownOption {
      throw SwarmError(
        .daemonFailed,
        "\(path) is another p2pd than hivemind's 0.5.0, it has no \(option): run `make deps-swarm`, and "
          + "leave out --p2pd and $\(SwarmDaemonFile.variable)")
    }
    let words = state.lastError.isEmpty ? "it says nothing" : state.lastError
    throw SwarmError(.daemonFailed, "p2pd did not start: \(words)")
  }

  /// Ends the processes where they do not end when they are told to, as suspended ones.
  private func insist(on group: Int32) async {
    do {
      _ = try await withDeadline(Self.endLimit, on: ContinuousClock()) {
        try await self.state.wait { $0.isSilent }
      }
    } catch {
      kill(-group, SIGKILL)
    }
  }

  private func listen(to output: SubprocessOutputSequence, isError: Bool) async {
    let prefix = "Peer ID: "
    do {
      for try await line in output.strings() {
        let line = line.trimmingCharacters(in: .whitespacesAndNewlines)
        state.update { state in
          if isError {
            if !line.isEmpty { state.lastError = line }
            if line.hasPrefix(Self.unknownOption) {
              state.unknownOption = String(line.dropFirst(Self.unknownOption.count))
            }
          } else if line.hasPrefix(prefix) {
            state.peer = String(line.dropFirst(prefix.count))
          }
        }
      }
    } catch {
      state.update { $0.lastError = "its words cannot be read: \(error)" }
    }
    if !isError {
      state.update { $0.isSilent = true }
      stop()
    }
  }
}
