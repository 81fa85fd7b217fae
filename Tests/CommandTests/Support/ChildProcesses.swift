import Foundation
import Synchronization

/// The processes that a process started, as the system sees them (Linux).
enum ChildProcesses {
  static func of(_ parent: Int32) -> [Int32] {
    let path = "/proc/\(parent)/task/\(parent)/children"
    let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(parent)/task")) ?? []
    // A child belongs to the thread that started it.
    return ([path] + tasks.map { "/proc/\(parent)/task/\($0)/children" })
      .compactMap { try? String(contentsOfFile: $0, encoding: .utf8) }
      .flatMap { $0.split(separator: " ").compactMap { Int32($0) } }
      .reduce(into: []) { found, child in if !found.contains(child) { found.append(child) } }
  }

  /// What the process was started with.
  static func arguments(of process: Int32) -> [String] {
    let line = try? Data(contentsOf: URL(filePath: "/proc/\(process)/cmdline"))
    return (line ?? Data()).split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Whether the process runs; one that ended and was not asked for yet does not.
  static func isAlive(_ process: Int32) -> Bool {
    guard kill(process, 0) == 0 else { return false }
    let status = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
    return !status.contains(") Z ")
  }

  /// Waits for the end of a process that may be anybody's child: of those, the system tells no
  /// event, so it is asked again and again.
  static func end(of process: Int32) async throws {
    while isAlive(process) {
      try Task.checkCancellation()
      await Task.yield()
    }
  }
}

/// A value that a body hands out of its closure.
final class Holder<Value: Sendable>: Sendable {
  private let stored: Mutex<Value>

  init(_ value: Value) { stored = Mutex(value) }

  var value: Value { stored.withLock { $0 } }

  func set(_ value: Value) { stored.withLock { $0 = value } }
}
