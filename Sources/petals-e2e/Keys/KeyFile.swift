import EthereumPrimitives
import Foundation

/// A secret key on disk: 64 hexadecimal digits after `0x`, or a V3 keystore with its password.
enum KeyFile {
  /// Reads a key.
  /// - Parameters:
  ///   - path: the key's file; nobody but its owner may be able to read it.
  ///   - passwordPath: the file whose first line is the keystore's password.
  /// - Throws: `CommandFailure` (wrong input) that names the file and says what to do.
  static func read(_ path: String, passwordPath: String? = nil) throws -> SecretKey {
    let text = try PrivateFile.read(path, as: "key file")
      .trimmingCharacters(in: .whitespacesAndNewlines)
    do {
      guard text.hasPrefix("{") else { return try SecretKey(hex: text) }
      guard let passwordPath else {
        throw CommandFailure.wrongInput(
          "key file \(path) is a keystore, which needs --password-file")
      }
      return try Keystore(json: text.utf8).key(password: try password(passwordPath))
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
      return try PrivateFile.create(path, "\(key.exposedHex())\n".utf8, as: "key file")
    }
    let keystore = try Keystore(encrypting: key, password: try password(passwordPath))
    try PrivateFile.create(path, try keystore.json(), as: "key file")
  }

  private static func password(_ path: String) throws -> String {
    let text = try PrivateFile.read(path, as: "password file")
    guard let line = text.split(whereSeparator: \.isNewline).first else {
      throw CommandFailure.wrongInput("password file \(path) is empty")
    }
    return String(line)
  }
}
