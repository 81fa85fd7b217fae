import EthereumPrimitives
import Foundation

/// A file with a secret, which nobody but its owner may be able to read.
enum PrivateFile {
  /// Reads a file.
  /// - Parameter what: what the file is to the user, for messages.
  /// - Throws: `CommandFailure` (wrong input) for a file that others can read, or nobody.
  static func read(_ path: String, as what: String) throws -> SecretBytes {
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
    guard status.st_mode & S_IFMT == S_IFREG, status.st_size <= sizeLimit else {
      throw CommandFailure.wrongInput(
        "cannot read \(what) \(path): it is no file of at most \(sizeLimit) bytes")
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    defer { if descriptor >= 0 { close(descriptor) } }
    var count = 0
    let bytes = SecretBytes(count: Int(status.st_size)) { buffer in
      while descriptor >= 0, count < buffer.count {
        let read = Foundation.read(
          descriptor, buffer.baseAddress?.advanced(by: count), buffer.count - count)
        guard read > 0 else { break }
        count += read
      }
    }
    guard descriptor >= 0, count == bytes.count else {
      throw CommandFailure.wrongInput(
        "cannot read \(what) \(path): \(String(cString: strerror(errno)))")
    }
    return bytes
  }

  /// The largest file with a secret: a keystore has a few hundred bytes.
  private static let sizeLimit = 1 << 20

  /// Writes a new file that only its owner can read; never replaces one.
  /// - Throws: `CommandFailure` (wrong input) when it exists or cannot be written.
  static func create(_ path: String, _ contents: SecretBytes, as what: String) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      let reason = errno == EEXIST ? "it exists already" : String(cString: strerror(errno))
      throw CommandFailure.wrongInput("cannot write \(what) \(path): \(reason)")
    }
    defer { close(descriptor) }
    var count = 0
    contents.withUnsafeBytes { buffer in
      while count < buffer.count {
        let written = write(
          descriptor, buffer.baseAddress?.advanced(by: count), buffer.count - count)
        guard written > 0 else { break }
        count += written
      }
    }
    guard count == contents.count else {
      throw CommandFailure.wrongInput(
        "cannot write \(what) \(path): \(String(cString: strerror(errno)))")
    }
  }
}
