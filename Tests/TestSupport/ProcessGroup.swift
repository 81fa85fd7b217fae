import Foundation

/// The processes of a group on this machine, which a test suspends together.
package struct ProcessGroup: Sendable {
  /// Why a group is not suspended.
  package struct Failure: Error, CustomStringConvertible {
    package let description: String
  }

  /// A thread of one of the processes.
  package struct Member: Hashable, Sendable, CustomStringConvertible {
    /// The program's name, as the system has it.
    let program: String
    let thread: Int32
    /// The letter of proc(5): "T" for one that is suspended.
    let state: Character

    package var description: String { "\(program) \(thread) \(state)" }
  }

  /// Whether this system says of each thread whether it is suspended.
  package static var isObservable: Bool {
    FileManager.default.fileExists(atPath: "/proc/self/task")
  }

  private let id: Int32

  /// A group by its number.
  package init(_ id: Int32) { self.id = id }

  /// Suspends all processes (SIGSTOP), and returns once every one of their threads has stopped.
  ///
  /// The signal is taken by a thread when it is next scheduled, and by the others after it: on a busy
  /// machine they work on for tens of milliseconds after `kill` has returned.
  /// - Throws: ``Failure`` when a process has ended; `CancellationError`.
  package func suspend() async throws {
    try send(SIGSTOP)
    while true {
      let members = members()
      if members.isEmpty || members.contains(where: { $0.state == "Z" }) {
        throw Failure(description: "a process of group \(id) has ended: \(members)")
      }
      if members.allSatisfy({ $0.state == "T" }) { return }
      try Task.checkCancellation()
      await Task.yield()
    }
  }

  /// Has all processes go on (SIGCONT).
  ///
  /// - Throws: ``Failure`` when the group has no process.
  package func resume() throws { try send(SIGCONT) }

  /// The threads of the processes now (Linux).
  package func members() -> [Member] {
    Self.numbers(in: "/proc").filter { getpgid($0) == id }.flatMap { process in
      Self.numbers(in: "/proc/\(process)/task").compactMap { thread in
        Member(thread, of: process)
      }
    }
  }

  private func send(_ signal: Int32) throws {
    guard kill(-id, signal) == 0 else {
      throw Failure(
        description: "no signal \(signal) to group \(id): \(String(cString: strerror(errno)))")
    }
  }

  /// The names in a folder that are numbers; none for a process that has ended.
  private static func numbers(in folder: String) -> [Int32] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).compactMap { Int32($0) }
  }
}

extension ProcessGroup.Member {
  /// Reads what the system says of a thread; nil when it has ended.
  fileprivate init?(_ thread: Int32, of process: Int32) {
    // "number (program) state …"; the program's name may hold parentheses of its own.
    let file = "/proc/\(process)/task/\(thread)/stat"
    guard let text = try? String(contentsOfFile: file, encoding: .utf8),
      let open = text.firstIndex(of: "("), let close = text.lastIndex(of: ")"),
      let state = text[close...].dropFirst(2).first
    else { return nil }
    self.init(program: String(text[text.index(after: open)..<close]), thread: thread, state: state)
  }
}
