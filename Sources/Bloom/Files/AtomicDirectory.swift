import Foundation
import SystemErrors

/// A folder of files that appear under their names only when all of them are whole.
///
/// They are written into a draft: beside a folder that is yet to be made, inside one that is there
/// and empty (which may be a mount that cannot be renamed). A process that is killed in between
/// leaves its draft; the next one that writes to the same place removes it.
struct AtomicDirectory {
  private let target: URL
  private let isThere: Bool

  /// Calls `fill` with the draft; `target` must be missing or an empty folder.
  ///
  /// Nothing is left of the draft when `fill` throws. Throws ``CheckpointError``, and what `fill`
  /// throws.
  static func make(_ target: URL, fill: (URL) throws -> Void) throws {
    let folder = AtomicDirectory(target)
    let draft = try folder.begin()
    defer {
      // After the move there is nothing left to remove.
      try? FileManager.default.removeItem(at: draft)
    }
    try fill(draft)
    try folder.finish(draft)
  }

  private init(_ target: URL) {
    self.target = target.standardizedFileURL
    isThere = FileManager.default.fileExists(atPath: target.path(percentEncoded: false))
  }

  private var place: URL { isThere ? target : target.deletingLastPathComponent() }
  private var prefix: String { ".\(target.lastPathComponent).partial-" }

  private func begin() throws(CheckpointError) -> URL {
    let files = FileManager.default
    let draft = place.appending(path: "\(prefix)\(getpid())-\(UUID().uuidString)")
    do {
      try files.createDirectory(at: place, withIntermediateDirectories: true)
      removeAbandoned()
      if isThere, try !files.contentsOfDirectory(atPath: target.path).isEmpty {
        throw refusal("the folder is not empty")
      }
      try files.createDirectory(at: draft, withIntermediateDirectories: false)
      return draft
    } catch let error as CheckpointError {
      throw error
    } catch {
      throw refusal(error.systemReason)
    }
  }

  private func finish(_ draft: URL) throws(CheckpointError) {
    guard isThere else { return try move(draft, to: target) }
    // The weights last: a folder that holds them is a complete checkpoint.
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: draft.path)
    } catch {
      throw refusal(error.systemReason)
    }
    for name in names.sorted(by: { !$0.hasSuffix(".safetensors") && $1.hasSuffix(".safetensors") })
    {
      try move(draft.appending(path: name), to: target.appending(path: name))
    }
  }

  private func move(_ source: URL, to target: URL) throws(CheckpointError) {
    guard rename(source.path, target.path) == 0 else {
      throw refusal(String(cString: strerror(errno)))
    }
  }

  /// Removes drafts whose makers are gone.
  private func removeAbandoned() {
    // A draft that cannot be removed costs space and harms nothing.
    let names = (try? FileManager.default.contentsOfDirectory(atPath: place.path)) ?? []
    for name in names where name.hasPrefix(prefix) {
      let maker = name.dropFirst(prefix.count).prefix { $0 != "-" }
      guard let process = Int32(maker), kill(process, 0) != 0, errno == ESRCH else { continue }
      try? FileManager.default.removeItem(at: place.appending(path: name))
    }
  }

  private func refusal(_ reason: String) -> CheckpointError {
    .unwritableFile(path: target.path(percentEncoded: false), reason: reason)
  }
}
