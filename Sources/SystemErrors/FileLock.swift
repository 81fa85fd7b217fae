import Foundation

/// A file that belongs to one owner until it is closed: a second program, or a second part of this
/// one, is refused.
///
/// The lock is the system's advisory one, `flock(2)`, on the file itself. The kernel frees it when its
/// owner dies, however that happens, so nothing is left behind that somebody would have to clean up.
/// It does not read or change the file. SQLite's own locks are of another kind, and go on working.
package final class FileLock: Sendable {
  private let descriptor: Int32

  /// Locks a file, and makes an empty one first where there is none.
  ///
  /// - Throws: ``FileLockError/held(path:holder:)`` when somebody else holds it,
  ///   ``FileLockError/unusable(path:reason:)`` when it cannot be opened for writing or locked.
  package init(path: String) throws(FileLockError) {
    while true {
      let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
      guard descriptor >= 0 else {
        throw .unusable(path: path, reason: Self.reason(errno))
      }
      guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
        let code = errno
        let holder = FileLockHolder(ofFileAt: descriptor)
        close(descriptor)
        guard code == EWOULDBLOCK else {
          throw .unusable(path: path, reason: Self.reason(code))
        }
        throw .held(path: path, holder: holder)
      }
      // Its owner may have put another file in its place between the two calls.
      if Self.isFile(descriptor, at: path) {
        self.descriptor = descriptor
        return
      }
      close(descriptor)
    }
  }

  deinit {
    close(descriptor)
  }

  private static func isFile(_ descriptor: Int32, at path: String) -> Bool {
    var opened = stat()
    var named = stat()
    return fstat(descriptor, &opened) == 0 && stat(path, &named) == 0
      && opened.st_dev == named.st_dev && opened.st_ino == named.st_ino
  }

  private static func reason(_ code: Int32) -> String {
    String(cString: strerror(code))
  }
}

/// Why a file could not be locked.
package enum FileLockError: Error, Equatable, CustomStringConvertible {
  /// Somebody else uses the file.
  case held(path: String, holder: FileLockHolder?)
  /// The file cannot be opened for writing, or its file system knows no locks.
  case unusable(path: String, reason: String)

  /// One line: what is wrong, and what to do.
  package var description: String {
    switch self {
    case .held(let path, let holder):
      "the file \(path) is in use by \(holder?.description ?? "another process"): stop it, or name "
        + "another file"
    case .unusable(let path, let reason):
      "the file \(path) cannot be used: \(reason)"
    }
  }
}

/// The process that holds a lock.
package struct FileLockHolder: Equatable, Sendable, CustomStringConvertible {
  /// The process's id.
  package let processID: Int32
  /// The program's name, as the system knows it.
  package let program: String?

  /// "process 1234 (petals-e2e)", or "this process".
  package var description: String {
    if processID == getpid() { return "this process" }
    return "process \(processID)" + (program.map { " (\($0))" } ?? "")
  }

  /// Finds who holds the lock of an open file; nil where the system does not tell.
  ///
  /// Linux lists every lock in `/proc/locks`: `1: FLOCK ADVISORY WRITE 1234 fe:00:131 0 EOF`, with the
  /// holder, the file's device (hexadecimal) and its inode (decimal).
  init?(ofFileAt descriptor: Int32) {
    #if os(Linux)
      var file = stat()
      guard fstat(descriptor, &file) == 0,
        let table = try? String(contentsOfFile: "/proc/locks", encoding: .utf8)
      else { return nil }
      let device = UInt64(file.st_dev)
      let major = (device >> 8 & 0xfff) | (device >> 32 & ~0xfff)
      let minor = (device & 0xff) | (device >> 12 & ~0xff)
      for line in table.split(separator: "\n") {
        let words = line.split(separator: " ")
        guard words.count >= 6, words[1] == "FLOCK", let process = Int32(words[4]) else { continue }
        let place = words[5].split(separator: ":")
        guard place.count == 3, UInt64(place[0], radix: 16) == major,
          UInt64(place[1], radix: 16) == minor, UInt64(place[2]) == UInt64(file.st_ino)
        else { continue }
        processID = process
        let name = try? String(contentsOfFile: "/proc/\(process)/comm", encoding: .utf8)
        program = name.map { String($0.prefix { $0 != "\n" }) }
        return
      }
    #endif
    return nil
  }
}
