package import Foundation

/// A folder of temporary files that only this user can enter, locked for as long as its owner lives.
///
/// An owner that is killed removes nothing. The kernel frees its lock (`flock(2)` on the folder
/// itself), so that ``removeAbandoned(_:in:)`` of a later process knows what nobody uses any more.
package final class TemporaryFolder: Sendable {
  /// What a folder is for: the beginning of its name, before a hyphen and a UUID.
  package struct Purpose: RawRepresentable, Hashable, Sendable {
    /// The beginning of the name.
    package let rawValue: String

    /// Makes a purpose from the beginning of a name.
    package init(rawValue: String) { self.rawValue = rawValue }
  }

  /// Where the folder is.
  package let url: URL
  private let descriptor: Int32

  /// Makes an empty folder and locks it.
  /// - Parameters:
  ///   - purpose: What it is for.
  ///   - parent: Where it is made: by default the system's place for temporary files.
  /// - Throws: ``FileError`` when it cannot be made.
  package init(
    _ purpose: Purpose, in parent: URL = FileManager.default.temporaryDirectory
  ) throws(FileError) {
    while true {
      let url = parent.appending(
        path: "\(purpose.rawValue)-\(UUID().uuidString)", directoryHint: .isDirectory)
      guard mkdir(url.path, 0o700) == 0 else {
        throw .unusable(
          path: url.path, purpose: .temporaryFolder, reason: String(cString: strerror(errno)))
      }
      // Whoever cleans up may have taken it between the two calls: then there is another name.
      guard let descriptor = Self.lock(url.path) else { continue }
      (self.url, self.descriptor) = (url, descriptor)
      return
    }
  }

  deinit {
    // Unlocked explicitly: a child that was just forked may have a copy of the descriptor.
    flock(descriptor, LOCK_UN)
    close(descriptor)
  }

  /// Removes the folder with all that it holds; what cannot be removed is left to a later process.
  package func remove() {
    // A database that is closing just now may remove files of its own meanwhile.
    try? FileManager.default.removeItem(at: url)
  }

  /// Removes the folders of a purpose whose owners are gone.
  ///
  /// A folder of another user, a link, and one that is locked are left alone.
  /// - Parameter parent: Where to look: by default the system's place for temporary files.
  package static func removeAbandoned(
    _ purpose: Purpose, in parent: URL = FileManager.default.temporaryDirectory
  ) {
    let prefix = purpose.rawValue + "-"
    // Where nothing can be listed, nothing can be removed.
    let names = (try? FileManager.default.contentsOfDirectory(atPath: parent.path)) ?? []
    for name in names where name.hasPrefix(prefix) {
      guard UUID(uuidString: String(name.dropFirst(prefix.count))) != nil else { continue }
      let url = parent.appending(path: name, directoryHint: .isDirectory)
      guard let descriptor = lock(url.path) else { continue }
      // Another process may remove it too, and be faster.
      try? FileManager.default.removeItem(at: url)
      flock(descriptor, LOCK_UN)
      close(descriptor)
    }
  }

  /// Opens a folder of this user and locks it; nil when that cannot be done, or it is gone.
  private static func lock(_ path: String) -> Int32? {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    var opened = stat()
    var named = stat()
    guard fstat(descriptor, &opened) == 0, opened.st_uid == geteuid(),
      flock(descriptor, LOCK_EX | LOCK_NB) == 0, lstat(path, &named) == 0,
      opened.st_dev == named.st_dev, opened.st_ino == named.st_ino
    else {
      close(descriptor)
      return nil
    }
    return descriptor
  }
}

extension FileError.Purpose {
  /// A folder of temporary files.
  package static let temporaryFolder = Self(rawValue: "temporary folder")
}
