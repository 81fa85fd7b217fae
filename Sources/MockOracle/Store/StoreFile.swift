import Foundation
import Synchronization
import SystemErrors

/// A store's file, taken by one oracle until it lets go of it: no second process gets it, and no
/// second part of this one.
final class StoreFile: Sendable {
  private struct Identity: Hashable {
    let device: UInt64
    let file: UInt64

    init?(_ path: String) {
      var status = stat()
      guard stat(path, &status) == 0 else { return nil }
      device = UInt64(status.st_dev)
      file = UInt64(status.st_ino)
    }
  }

  /// The files that this process has taken.
  ///
  /// Asked before a file is opened for its lock: closing any descriptor of a file drops the locks that
  /// SQLite has on it in this process (fcntl(2)).
  private static let taken = Mutex<Set<Identity>>([])
  /// The pause between two looks at a file that somebody has.
  private static let pause = 0.01

  let path: String
  /// Whether there was no such file before.
  let isNew: Bool
  private let identity: Identity
  private let lock: Mutex<FileLock?>

  /// Takes a file, or makes it.
  /// - Parameter patience: how long one that somebody has, perhaps about to close it, is waited for.
  /// - Throws: ``ReportLogError``; then nothing was written, and no file was made.
  init(path: String, patience: Duration) throws(ReportLogError) {
    self.path = path
    let limit = ContinuousClock.now + patience
    while true {
      do throws(ReportLogError) {
        let (lock, identity, isNew) = try Self.take(path)
        self.lock = Mutex(lock)
        self.identity = identity
        self.isNew = isNew
        return
      } catch {
        guard case .inUse = error.cause, ContinuousClock.now < limit else { throw error }
      }
      Thread.sleep(forTimeInterval: Self.pause)
    }
  }

  deinit {
    lock.withLock { $0 = nil }
    _ = Self.taken.withLock { $0.remove(identity) }
  }

  /// Removes a file that was made here and never written.
  func removeIfEmpty() {
    var status = stat()
    if isNew, stat(path, &status) == 0, status.st_size == 0 { unlink(path) }
  }

  private static func take(
    _ path: String
  ) throws(ReportLogError) -> (FileLock, Identity, isNew: Bool) {
    try taken.withLock { taken throws(ReportLogError) in
      let known = Identity(path)
      if let known {
        guard !taken.contains(known) else {
          throw ReportLogError(path: path, .inUse(by: "this process"))
        }
        try check(path)
      }
      let lock: FileLock
      do throws(FileLockError) { lock = try FileLock(path: path) } catch {
        throw ReportLogError(error)
      }
      guard let identity = Identity(path) else {
        throw ReportLogError(path: path, .unusable("it was removed just now"))
      }
      taken.insert(identity)
      return (lock, identity, known == nil)
    }
  }

  /// Refuses what is no file that can be written.
  private static func check(_ path: String) throws(ReportLogError) {
    var status = stat()
    guard stat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw ReportLogError(
        path: path,
        .unusable(status.st_mode & S_IFMT == S_IFDIR ? "it is a folder" : "it is no regular file"))
    }
    // Root may write everything; a file that nobody may write was not meant to be written.
    guard status.st_mode & 0o222 != 0, access(path, W_OK) == 0 else {
      throw ReportLogError(path: path, .readOnly)
    }
    let folder = (path as NSString).deletingLastPathComponent
    guard access(folder.isEmpty ? "." : folder, W_OK) == 0 else {
      throw ReportLogError(
        path: path,
        .unusable("its folder may not be written, where two more files stand while it is open"))
    }
  }
}
