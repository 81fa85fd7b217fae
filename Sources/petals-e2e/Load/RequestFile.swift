import Foundation
import PlumiseWire
import Synchronization
import SystemErrors

/// The file of a load's requests, of `--requests` or in the folder of its report, made before the load begins.
final class RequestFile: Sendable {
  private let handle: FileHandle
  private let path: String
  private let failure = Mutex<CommandFailure?>(nil)

  /// - Throws: `CommandFailure` (wrong input) when it cannot be written.
  init(_ path: String) throws {
    self.path = path
    do {
      try Data().write(to: URL(filePath: path))
      handle = try FileHandle(forWritingTo: URL(filePath: path))
    } catch {
      throw CommandFailure.wrongInput("cannot write the requests to \(path): \(error.systemReason)")
    }
  }

  /// Writes all requests.
  /// - Parameter targets: Where they went.
  /// - Throws: `CommandFailure` (failed).
  func write(_ records: [LoadRecord], warmUp: Double, targets: [String]) throws {
    for start in stride(from: 0, to: records.count, by: 1000) {
      append(
        records[start..<min(records.count, start + 1000)].map {
          $0.json(isCounted: $0.due >= warmUp, target: targets[$0.stream]).text + "\n"
        }.joined())
    }
    try close()
  }

  /// Writes one request; ``close()`` throws what failed.
  func append(_ record: LoadRecord, warmUp: Double, targets: [String]) {
    append(record.json(isCounted: record.due >= warmUp, target: targets[record.stream]).text + "\n")
  }

  private func append(_ text: String) {
    failure.withLock { failure in
      guard failure == nil else { return }
      do {
        try handle.write(contentsOf: Data(text.utf8))
      } catch {
        failure = .failed("cannot write the requests to \(path): \(error.systemReason)")
      }
    }
  }

  /// Ends the file.
  /// - Throws: `CommandFailure` (failed) when it could not be written.
  func close() throws {
    if let failure = failure.withLock({ $0 }) { throw failure }
    do {
      try handle.close()
    } catch {
      throw CommandFailure.failed("cannot write the requests to \(path): \(error.systemReason)")
    }
  }
}
