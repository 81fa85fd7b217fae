import Foundation

/// A file with a ``FileLock``: read whole, appended to, or replaced in one step without letting go
/// of the lock.
package struct OwnedFile: Sendable {
  /// Where the file is.
  package let path: String
  private let purpose: FileError.Purpose
  private var lock: FileLock
  /// Whether there was no file before.
  package let isNew: Bool

  /// Locks a file, and makes an empty one first where there is none.
  /// - Throws: ``FileError``.
  package init(path: String, purpose: FileError.Purpose = .any) throws(FileError) {
    let lock = try FileLock(path: path, purpose: purpose)
    self.path = path
    self.purpose = purpose
    self.lock = lock
    isNew = lock.isNew
  }

  private func failure(_ code: Int32 = errno) -> FileError {
    .unusable(path: path, purpose: purpose, reason: String(cString: strerror(code)))
  }

  /// All that the file holds.
  package func contents() throws(FileError) -> [UInt8] {
    var file = stat()
    guard fstat(lock.descriptor, &file) == 0 else { throw failure() }
    var bytes = [UInt8](repeating: 0, count: Int(file.st_size))
    var count = 0
    while count < bytes.count {
      let (offset, room) = (count, bytes.count - count)
      let read = bytes.withUnsafeMutableBytes {
        pread(lock.descriptor, $0.baseAddress.map { $0 + offset }, room, off_t(offset))
      }
      if read < 0 && errno == EINTR { continue }
      guard read >= 0 else { throw failure() }
      // Its end came nearer in the meantime.
      if read == 0 { break }
      count += read
    }
    bytes.removeLast(bytes.count - count)
    return bytes
  }

  /// Writes behind what the file holds.
  package func append(_ bytes: [UInt8]) throws(FileError) {
    guard lseek(lock.descriptor, 0, SEEK_END) >= 0 else { throw failure() }
    try write(bytes, to: lock.descriptor)
  }

  /// Waits until what was written is on the disk.
  package func synchronize() throws(FileError) {
    guard fsync(lock.descriptor) == 0 else { throw failure() }
  }

  /// Puts other content in the place of the file's: a crash leaves one or the other.
  ///
  /// The new file is locked before it takes the old one's name, so that nobody gets between.
  package mutating func replace(with bytes: [UInt8]) throws(FileError) {
    // A link stays a link; what it leads to is replaced.
    let target = realpath(path, nil).map { resolved in
      defer { free(resolved) }
      return String(cString: resolved)
    }
    guard let target else { throw failure() }
    let beside = target + ".\(UInt64.random(in: 0 ... .max))"
    let descriptor = open(beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure() }
    let next = FileLock(adopting: descriptor)
    do throws(FileError) {
      var file = stat()
      guard fstat(lock.descriptor, &file) == 0, fchmod(descriptor, file.st_mode & 0o7777) == 0,
        flock(descriptor, LOCK_EX | LOCK_NB) == 0
      else { throw failure() }
      try write(bytes, to: descriptor)
      guard fsync(descriptor) == 0, rename(beside, target) == 0 else { throw failure() }
    } catch {
      unlink(beside)
      throw error
    }
    lock = next
    // The name is on the disk when its folder is.
    let folder = open((target as NSString).deletingLastPathComponent, O_RDONLY | O_CLOEXEC)
    guard folder >= 0 else { return }
    fsync(folder)
    close(folder)
  }

  /// Takes the file away again when it is new: a refusal leaves nothing behind.
  package func removeIfNew() {
    if isNew { unlink(path) }
  }

  private func write(_ bytes: [UInt8], to descriptor: Int32) throws(FileError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw failure() }
      rest = rest.dropFirst(count)
    }
  }
}
