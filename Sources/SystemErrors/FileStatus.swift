import Foundation

/// What the system says of a file: `stat(2)`, which follows symbolic links.
package struct FileStatus: Sendable {
  /// The permissions: nine bits, as `chmod` takes them.
  package let permissions: UInt32
  /// Whether it is a file with contents, and no folder, pipe or device.
  package let isRegularFile: Bool
  /// The length of its contents in bytes.
  package let size: Int

  /// Asks for a file's status; nil, with the reason in `errno`, when there is none to be had.
  package init?(path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    permissions = UInt32(status.st_mode & 0o777)
    isRegularFile = status.st_mode & S_IFMT == S_IFREG
    size = Int(status.st_size)
  }
}
