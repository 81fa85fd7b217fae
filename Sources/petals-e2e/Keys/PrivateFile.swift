import Foundation

/// A file with a secret, which nobody but its owner may be able to read.
enum PrivateFile {
  /// Reads a file.
  /// - Parameter what: what the file is to the user, for messages.
  /// - Throws: `CommandFailure` (wrong input) for a file that others can read, or nobody.
  static func read(_ path: String, as what: String) throws -> String {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw CommandFailure.wrongInput(
        "cannot read \(what) \(path): \(String(cString: strerror(errno)))")
    }
    let mode = status.st_mode & 0o777
    guard mode & 0o077 == 0 else {
      throw CommandFailure.wrongInput(
        "\(what) \(path) can be read by others (mode \(String(mode, radix: 8))); "
          + "run chmod 600 \(path)")
    }
    do {
      return try String(contentsOfFile: path, encoding: .utf8)
    } catch {
      throw CommandFailure.wrongInput("cannot read \(what) \(path): it is no file of UTF-8 text")
    }
  }

  /// Writes a new file that only its owner can read; never replaces one.
  /// - Throws: `CommandFailure` (wrong input) when it exists or cannot be written.
  static func create(_ path: String, _ contents: some Sequence<UInt8>, as what: String) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      let reason = errno == EEXIST ? "it exists already" : String(cString: strerror(errno))
      throw CommandFailure.wrongInput("cannot write \(what) \(path): \(reason)")
    }
    let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    try file.write(contentsOf: Data(contents))
    try file.close()
  }
}
