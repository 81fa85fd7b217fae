import Foundation
import Subprocess

extension Command {
  /// Runs the command to its end, and calls `onLine` with each line that it prints.
  ///
  /// On a thread of its own, as soon as the line comes: tests beside this one may keep every task
  /// waiting for seconds, in which a run is long over.
  static func run(
    _ arguments: [String], onLine: @escaping @Sendable (_ process: Int32, _ line: String) -> Void
  ) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread {
        continuation.resume(with: Swift.Result { try watch(arguments, onLine) })
      }
    }
  }

  private static func watch(
    _ arguments: [String], _ onLine: (Int32, String) -> Void
  ) throws -> Result {
    let (process, output, errors) = (Process(), Pipe(), Pipe())
    process.executableURL = URL(filePath: path)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(variables) { $1 }
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    var text = Data()
    var line = Data()
    while true {
      let bytes = output.fileHandleForReading.availableData
      if bytes.isEmpty { break }
      text += bytes
      for byte in bytes {
        guard byte == UInt8(ascii: "\n") else {
          line.append(byte)
          continue
        }
        onLine(process.processIdentifier, String(decoding: line, as: UTF8.self))
        line = Data()
      }
    }
    // Few lines, which the pipe holds until now.
    let last = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let status: TerminationStatus =
      process.terminationReason == .exit
      ? .exited(process.terminationStatus) : .signaled(process.terminationStatus)
    return Result(
      status: status, output: String(decoding: text, as: UTF8.self),
      errors: String(decoding: last, as: UTF8.self))
  }
}
