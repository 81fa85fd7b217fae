import Foundation
import SystemErrors

/// Keeps a chain in a file: every step is on the disk before the request that took it is answered.
///
/// Steps are appended. When steps were taken back (a snapshot, a reorganisation, a reset) the file
/// is written anew beside the old one and takes its place, so that a crash leaves one or the other.
final class StateFile {
  private let url: URL
  private var handle: FileHandle

  /// Opens the file of a chain, and writes it anew: what a crash left behind is gone then.
  init(url: URL, chain: Chain) throws {
    self.url = url
    handle = try Self.write(chain, to: url)
  }

  /// The file's content; nothing when there is no file yet.
  static func read(_ url: URL) throws -> [UInt8] {
    guard FileManager.default.fileExists(atPath: url.path) else { return [] }
    do {
      return Array(try Data(contentsOf: url))
    } catch {
      throw StateFileError.unusable(path: url.path, reason: error.systemReason)
    }
  }

  /// Brings the file up to the chain.
  func save(_ chain: Chain) throws {
    let record = chain.record
    if record.needsRewrite {
      try handle.close()
      handle = try Self.write(chain, to: url)
    } else if !record.unsaved.isEmpty {
      do {
        try handle.write(contentsOf: ChainReplay.lines(record.unsaved))
        try handle.synchronize()
      } catch {
        throw StateFileError.unusable(path: url.path, reason: error.systemReason)
      }
    }
  }

  private static func write(_ chain: Chain, to url: URL) throws -> FileHandle {
    do {
      try Data(ChainReplay.text(of: chain)).write(to: url, options: .atomic)
      let handle = try FileHandle(forWritingTo: url)
      try handle.synchronize()
      try handle.seekToEnd()
      return handle
    } catch {
      throw StateFileError.unusable(path: url.path, reason: error.systemReason)
    }
  }
}
