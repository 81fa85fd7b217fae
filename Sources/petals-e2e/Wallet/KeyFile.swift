import ArgumentParser
import EthereumPrimitives
import Foundation
import SystemErrors

/// A secret key on disk: 64 hexadecimal digits after `0x`, or a V3 keystore with its password.
enum KeyFile {
  /// Reads a key.
  /// - Parameters:
  ///   - path: the key's file; nobody but its owner may be able to read it.
  ///   - passwordPath: the file whose first line is the keystore's password.
  /// - Throws: `CommandFailure` (wrong input) that names the file and says what to do.
  static func read(_ path: String, passwordPath: String? = nil) throws -> SecretKey {
    let text = try PrivateFile.read(path, as: "key file").withoutByteOrderMark().trimmed()
    do {
      guard text.withUnsafeBytes({ $0.first }) == UInt8(ascii: "{") else {
        return try text.withUnsafeBytes { try SecretKey(hexCharacters: $0) }
      }
      guard let passwordPath else {
        throw CommandFailure.wrongInput(
          "key file \(path) is a keystore, which needs --password-file")
      }
      // What a keystore's file holds is encrypted.
      let keystore = try text.withUnsafeBytes { try Keystore(json: Array($0)) }
      return try keystore.key(password: try password(passwordPath))
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      throw CommandFailure.wrongInput("key file \(path): \(error)")
    }
  }

  /// Writes a key to a new file that only its owner can read: as a keystore when there is a
  /// password, else as digits.
  static func write(_ key: SecretKey, to path: String, passwordPath: String? = nil) throws {
    guard let passwordPath else {
      return try PrivateFile.create(path, key.fileLine(), as: "key file")
    }
    let keystore = try Keystore(encrypting: key, password: try password(passwordPath))
    try PrivateFile.create(path, SecretBytes(try keystore.json()), as: "key file")
  }

  /// The first line that holds something; of a file without one, the empty password.
  private static func password(_ path: String) throws -> SecretBytes {
    let text = try PrivateFile.read(path, as: "password file")
    let line = text.withUnsafeBytes { bytes in
      let start = bytes.firstIndex { !$0.isNewline } ?? bytes.endIndex
      let end = bytes[start...].firstIndex(where: \.isNewline) ?? bytes.endIndex
      return start..<end
    }
    return text.slice(line)
  }
}

extension SecretBytes {
  /// The bytes after a UTF-8 byte order mark.
  fileprivate func withoutByteOrderMark() -> SecretBytes {
    let mark: [UInt8] = [0xef, 0xbb, 0xbf]
    return withUnsafeBytes { $0.starts(with: mark) } ? slice(mark.count..<count) : self
  }

  /// The bytes without white space of ASCII around them.
  fileprivate func trimmed() -> SecretBytes {
    let range = withUnsafeBytes { bytes in
      let start = bytes.firstIndex { !$0.isSpace } ?? bytes.endIndex
      let end = bytes.lastIndex { !$0.isSpace }.map { $0 + 1 } ?? start
      return start..<end
    }
    return slice(range)
  }
}

extension UInt8 {
  fileprivate var isNewline: Bool { (0x0a...0x0d).contains(self) }
  fileprivate var isSpace: Bool { self == 0x20 || self == 0x09 || isNewline }
}

/// The key that a subcommand signs with.
struct KeyOptions: ParsableArguments {
  @Option(
    help: """
      A file with the secret key, which only its owner may be able to read: 0x and 64 digits, or a \
      V3 keystore.
      """)
  var keyFile: String

  @Option(help: "A file whose first line is the keystore's password.")
  var passwordFile: String?

  func key() throws -> SecretKey {
    try KeyFile.read(keyFile, passwordPath: passwordFile)
  }
}

/// A file with a secret, which nobody but its owner may be able to read.
enum PrivateFile {
  /// Reads a file.
  /// - Parameter what: what the file is to the user, for messages.
  /// - Throws: `CommandFailure` (wrong input) for a file that others can read, or nobody.
  static func read(_ path: String, as what: String) throws -> SecretBytes {
    guard let status = FileStatus(path: path) else {
      throw CommandFailure.wrongInput(
        "cannot read \(what) \(path): \(String(cString: strerror(errno)))")
    }
    let mode = status.permissions
    guard mode & 0o077 == 0 else {
      throw CommandFailure.wrongInput(
        "\(what) \(path) can be read by others (mode \(String(mode, radix: 8))); "
          + "run chmod 600 \(path)")
    }
    guard status.isRegularFile, status.size <= sizeLimit else {
      throw CommandFailure.wrongInput(
        "cannot read \(what) \(path): it is no file of at most \(sizeLimit) bytes")
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    defer { if descriptor >= 0 { close(descriptor) } }
    var count = 0
    let bytes = SecretBytes(count: status.size) { buffer in
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

/// A folder for the keys of one run's agents, which only this user can enter; removed with them.
///
/// The nodes read their keys as they start. A run that is killed before they have leaves a folder
/// that the next run removes.
struct KeyFolder: Sendable {
  private static let purpose = TemporaryFolder.Purpose(rawValue: "petals-e2e-keys")

  private let folder: TemporaryFolder

  /// Makes the folder in the system's place for temporary files.
  /// - Throws: `CommandFailure` (wrong input) when it cannot be made there.
  init() throws {
    folder = try CommandFailure.checkingInput { try TemporaryFolder(Self.purpose) }
  }

  /// Removes the folders of runs that were killed.
  static func removeAbandoned() { TemporaryFolder.removeAbandoned(purpose) }

  /// Writes a key.
  /// - Returns: the file's path.
  func write(_ key: SecretKey, name: String) throws -> String {
    let path = folder.url.appending(path: "\(name).key").path
    try KeyFile.write(key, to: path)
    return path
  }

  /// Removes the folder with its keys; again does no harm.
  func remove() { folder.remove() }
}
