import Foundation
import SystemErrors

/// Keeps a chain in a file that nobody else uses meanwhile: every step is on the disk before the
/// request that took it is answered.
///
/// Steps are appended, those that take others back included. When another chain takes the place of
/// the one in the file (a reset, a state that is loaded), and at every start, the file is written
/// anew beside the old one and takes its place, so that a crash leaves one or the other.
final class StateFile {
  private var file: OwnedFile

  /// Takes the file for this chain alone; there is an empty one where there was none.
  init(_ url: URL) throws {
    do throws(FileLockError) { file = try OwnedFile(path: url.path) } catch {
      throw StateFileError(error)
    }
  }

  /// The file's content; nothing in a new file.
  func contents() throws -> [UInt8] {
    try Self.naming { () throws(FileLockError) in try file.contents() }
  }

  /// Writes the whole chain, in place of what the file holds.
  func write(_ chain: Chain) throws -> ChainReplay.Log {
    let log = ChainReplay.log(of: chain)
    try write(log.text)
    return log
  }

  /// Writes a whole text, in place of what the file holds.
  func write(_ text: [UInt8]) throws {
    try Self.naming { () throws(FileLockError) in try file.replace(with: text) }
  }

  /// Appends steps that were taken together.
  func append(_ events: [ChainEvent]) throws {
    guard !events.isEmpty else { return }
    try Self.naming { () throws(FileLockError) in
      try file.append(ChainReplay.lines(events))
      try file.synchronize()
    }
  }

  /// Takes the file away again when it is new: a refusal leaves nothing behind.
  func removeIfNew() { file.removeIfNew() }

  private static func naming<R>(_ body: () throws(FileLockError) -> R) throws -> R {
    do throws(FileLockError) { return try body() } catch { throw StateFileError(error) }
  }
}

extension StateFileError {
  /// Why a file could not be had or used.
  init(_ error: FileLockError) {
    switch error {
    case .held(let path, let holder):
      self = .inUse(path: path, holder: holder?.description ?? "another process")
    case .unusable(let path, let reason): self = .unusable(path: path, reason: reason)
    }
  }
}
