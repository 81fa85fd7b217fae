import Foundation

/// A file mapped read-only into memory: nothing is read until it is looked at.
///
/// Pages are shared by every process that maps the file, and the system may drop and reread them.
/// A file that is cut short by someone else while it is mapped ends the process (SIGBUS), as with
/// any mapping; checkpoints are therefore replaced by renaming, never rewritten in place.
final class MappedFile: @unchecked Sendable {
  // Sendable: the mapping is never written, and unmapped only with its last reference.
  let path: String
  let bytes: UnsafeRawBufferPointer

  /// Maps a whole file.
  init(_ url: URL) throws(CheckpointError) {
    path = url.path(percentEncoded: false)
    // Without O_NONBLOCK, opening a named pipe would wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT { throw .missingFile(path: path) }
      throw .unreadableFile(path: path, reason: Self.reason(errno))
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .unreadableFile(path: path, reason: Self.reason(errno))
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .unreadableFile(path: path, reason: "not a regular file")
    }
    let length = Int(status.st_size)
    guard length > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let address = mmap(nil, length, PROT_READ, MAP_SHARED, descriptor, 0),
      address != MAP_FAILED
    else { throw .unreadableFile(path: path, reason: Self.reason(errno)) }
    bytes = UnsafeRawBufferPointer(start: address, count: length)
  }

  deinit {
    if let base = bytes.baseAddress {
      munmap(UnsafeMutableRawPointer(mutating: base), bytes.count)
    }
  }

  /// The last part of the path, for messages.
  var name: String { URL(filePath: path).lastPathComponent }

  private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}
