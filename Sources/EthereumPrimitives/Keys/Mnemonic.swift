import Foundation

/// A phrase of words from which any number of keys are derived (BIP-39, BIP-32, BIP-44).
///
/// The words are not compared with a list and their checksum is not verified: the seed of BIP-39 is
/// defined for every phrase.
public struct Mnemonic: Sendable {
  private let seed: SecretBytes

  /// A phrase with words separated by single spaces, and the passphrase that may protect it.
  ///
  /// The seed is PBKDF2-HMAC-SHA512 of both in normalisation form KD, 2048 rounds.
  public init(_ phrase: String, passphrase: String = "") {
    let password = SecretBytes(phrase.decomposedStringWithCompatibilityMapping.utf8)
    let salt = Array(("mnemonic" + passphrase.decomposedStringWithCompatibilityMapping).utf8)
    do {
      seed = try Libcrypto.pbkdf2(
        .sha512, password: password, salt: salt, iterations: 2048, count: 64)
    } catch { preconditionFailure("\(error), which SHA-512 with 64 bytes gives no reason for") }
  }

  /// The phrase that development chains fund: eleven times `test`, then `junk`.
  public static let development = Mnemonic(
    "test test test test test test test test test test test junk")

  /// The key at m/44'/60'/0'/0/index, the path of Ethereum's accounts.
  ///
  /// - Throws: `MnemonicError` when the index is 2³¹ or more, or leads to no key (which happens
  ///   once in 2¹²⁷ indices).
  public func key(at index: UInt32) throws(MnemonicError) -> SecretKey {
    let path: [UInt32] = [hardened + 44, hardened + 60, hardened, 0]
    guard index < hardened else { throw .indexTooLarge(index) }
    var node = try ExtendedKey(seed: seed)
    for step in path + [index] { node = try node.child(step) }
    return node.key
  }
}

extension Mnemonic: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// A text without the words.
  public var description: String { "Mnemonic(redacted)" }

  /// A text without the words.
  public var debugDescription: String { description }

  /// A mirror without children, so that `dump` shows nothing.
  public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Why a mnemonic has no key for an index.
public enum MnemonicError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The index is 2³¹ or more, where hardened derivation begins.
  case indexTooLarge(UInt32)
  /// The derivation leads to 0 or beyond the group's order; the next index has a key.
  case noKey

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .indexTooLarge(let index): "a key's index lies below 2147483648, \(index) does not"
    case .noKey: "the mnemonic has no key at this index; take the next one"
    }
  }
}

/// Indices from here on derive from the secret key rather than the public one (BIP-32).
let hardened: UInt32 = 1 << 31

/// A secret key with the chain code that leads to its children (BIP-32).
struct ExtendedKey {
  let key: SecretKey
  private let chainCode: SecretBytes

  /// The master key of a seed.
  init(seed: SecretBytes) throws(MnemonicError) {
    let digest = Self.hmac(key: Array("Bitcoin seed".utf8), message: seed)
    do { key = try SecretKey(secret: digest.slice(0..<32)) } catch { throw .noKey }
    chainCode = digest.slice(32..<64)
  }

  private init(key: SecretKey, chainCode: SecretBytes) {
    self.key = key
    self.chainCode = chainCode
  }

  /// The child at an index, hardened from 2³¹ on.
  func child(_ index: UInt32) throws(MnemonicError) -> ExtendedKey {
    // A hardened child hashes 0x00 and the secret key, another one the compressed public key.
    let message = SecretBytes(count: 37) { output in
      if index >= hardened {
        key.bytes.withUnsafeBytes { output[1..<33].copyBytes(from: $0) }
      } else {
        output[..<33].copyBytes(from: key.publicKey.compressed)
      }
      output[33...].copyBytes(from: index.bigEndianByteArray)
    }
    let digest = chainCode.withUnsafeBytes { Self.hmac(key: $0, message: message) }
    guard let sum = Curve.sum(key.bytes, digest.slice(0..<32)) else { throw .noKey }
    do {
      return ExtendedKey(key: try SecretKey(secret: sum), chainCode: digest.slice(32..<64))
    } catch { throw .noKey }
  }

  private static func hmac(key: [UInt8], message: SecretBytes) -> SecretBytes {
    key.withUnsafeBytes { hmac(key: $0, message: message) }
  }

  private static func hmac(key: UnsafeRawBufferPointer, message: SecretBytes) -> SecretBytes {
    do {
      return try message.withUnsafeBytes { (message) throws(LibcryptoError) in
        try Libcrypto.hmacSHA512(key: key, message: message)
      }
    } catch { preconditionFailure("\(error), which HMAC-SHA512 gives no reason for") }
  }
}
