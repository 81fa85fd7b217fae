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
    let text = try PrivateFile.read(path, as: "key file").withoutMark().trimmed()
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
  /// The bytes behind the mark that some editors put before UTF-8.
  fileprivate func withoutMark() -> SecretBytes {
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
