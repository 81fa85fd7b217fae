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
    var hasEnded = false
    /// The group of the shell and p2pd.
    var group: Int32?
  }

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
        await withTaskGroup(of: Void.self) { group in
          group.addTask { await self.listen(to: execution.standardOutput, isError: false) }
          group.addTask { await self.listen(to: execution.standardError, isError: true) }
          group.addTask {
            // Both streams end with p2pd, when the shell has nothing to wait for any more.
            _ = try? await self.lifeline.wait { $0 }
            // A daemon that has ended already has closed it.
            try? await execution.standardInputWriter.finish()
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
  /// - Throws: ``SwarmError/Code/daemonFailed`` with its last words when it ends first.
  func waitUntilReady() async throws -> PeerID {
    let state = try await state.wait { $0.peer != nil || $0.hasEnded }
    guard let text = state.peer else {
      let words = state.lastError.isEmpty ? "it says nothing" : state.lastError
      throw SwarmError(.daemonFailed, "p2pd did not start: \(words)")
    }
    return try PeerID(parsing: text)
  }

  private func listen(to output: SubprocessOutputSequence, isError: Bool) async {
    let prefix = "Peer ID: "
    do {
      for try await line in output.strings() {
        let line = line.trimmingCharacters(in: .whitespacesAndNewlines)
        state.update { state in
          if isError {
            if !line.isEmpty { state.lastError = line }
          } else if line.hasPrefix(prefix) {
            state.peer = String(line.dropFirst(prefix.count))
          }
        }
      }
    } catch {
      state.update { $0.lastError = "its words cannot be read: \(error)" }
    }
    if !isError { stop() }
  }
}
