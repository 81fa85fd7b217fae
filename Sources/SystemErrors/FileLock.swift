import Foundation

/// A file that belongs to one owner until it is closed: a second program, or a second part of this
/// one, is refused.
///
/// The lock is the system's advisory one, `flock(2)`, on the file itself. The kernel frees it when its
/// owner dies, however that happens, so nothing is left behind that somebody would have to clean up.
/// It does not read or change the file. SQLite's own locks are of another kind, and go on working.
package final class FileLock: Sendable {
  /// The open file, for reading and writing; it is closed with the lock.
  package let descriptor: Int32
  /// Whether there was no file before.
  package let isNew: Bool

  /// Locks a file, and makes an empty one first where there is none.
  ///
  /// What is no regular file is refused, and so is one that nobody may write, whoever asks: a
  /// superuser, whom the system would let, means it as well as everybody else.
  /// - Parameter purpose: what the file is for, which errors say.
  /// - Throws: ``FileError`` of code ``FileError/Code/inUse`` when somebody else holds it,
  ///   ``FileError/Code/unusable`` when it cannot be opened for writing or locked.
  package init(path: String, purpose: FileError.Purpose = .any) throws(FileError) {
    while true {
      let (descriptor, isNew) = try Self.open(path, purpose)
      guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
        let code = errno
        let holder = FileLockHolder(ofFileAt: descriptor)
        close(descriptor)
        guard code == EWOULDBLOCK else {
          // A file system without locks: what was made for this one goes again.
          if isNew { unlink(path) }
          throw .unusable(path: path, purpose: purpose, reason: Self.reason(code))
        }
        throw .inUse(
          path: path, purpose: purpose, holder: holder?.description ?? "another process")
      }
      // Its owner may have put another file in its place between the two calls.
      if Self.isFile(descriptor, at: path) {
        self.descriptor = descriptor
        self.isNew = isNew
        return
      }
      Self.release(descriptor)
    }
  }

  /// Takes over a file that is open and locked already.
  init(adopting descriptor: Int32) {
    self.descriptor = descriptor
    isNew = false
  }

  /// Opens a file for reading and writing, and makes it where there is none.
  private static func open(
    _ path: String, _ purpose: FileError.Purpose
  ) throws(FileError) -> (Int32, isNew: Bool) {
    func unusable(_ reason: String) -> FileError {
      .unusable(path: path, purpose: purpose, reason: reason)
    }
    let flags = O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
    while true {
      let descriptor = Foundation.open(path, flags)
      guard descriptor >= 0 else {
        guard errno == ENOENT else { throw unusable(reason(errno)) }
        let made = Foundation.open(path, flags | O_CREAT | O_EXCL, 0o644)
        if made >= 0 { return (made, true) }
        // Somebody was faster, or a link leads to nowhere.
        guard errno == EEXIST, Foundation.access(path, F_OK) == 0 else {
          throw unusable(reason(errno))
        }
        continue
      }
      var file = stat()
      guard fstat(descriptor, &file) == 0, file.st_mode & S_IFMT == S_IFREG else {
        close(descriptor)
        throw unusable("Not a regular file")
      }
      guard file.st_mode & 0o222 != 0 else {
        close(descriptor)
        throw unusable(reason(EACCES))
      }
      return (descriptor, false)
    }
  }

  deinit {
    Self.release(descriptor)
  }

  /// Unlocks the file explicitly: closing it would leave the lock held while a child that was
  /// just forked, and has not begun its own program yet, has a copy of the descriptor.
  private static func release(_ descriptor: Int32) {
    flock(descriptor, LOCK_UN)
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
        let table = Self.text(of: "/proc/locks")
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
        let name = Self.text(of: "/proc/\(process)/comm")
        program = name.map { String($0.prefix { $0 != "\n" }) }
        return
      }
    #endif
    return nil
  }

  /// All of a file of the system's, which has no size and comes in pieces; nil where it cannot be read.
  private static func text(of path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(descriptor, &piece, piece.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { break }
      bytes += piece[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
