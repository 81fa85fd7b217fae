public import Foundation

/// A secret key encrypted with a password: the Web3 Secret Storage format, version 3.
///
/// A key derived from the password encrypts with AES-128-CTR (its first 16 bytes) and seals with
/// keccak256 (the next 16 bytes, then the ciphertext).
public struct Keystore: Hashable, Sendable {
  /// How the key that encrypts follows from the password.
  public let derivation: KeyDerivation
  /// 16 bytes with which the counter of AES begins.
  let initialCounter: [UInt8]
  /// The encrypted secret key: 32 bytes, or fewer where its writer left leading zeros out.
  let ciphertext: [UInt8]
  /// The seal that tells a wrong password.
  let mac: [UInt8]
  /// The account, which some writers leave out.
  public let address: Address?
  /// A name for the file, a random UUID; nil when the file has none, or another one.
  public let id: UUID?

  init(
    derivation: KeyDerivation, initialCounter: [UInt8], ciphertext: [UInt8], mac: [UInt8],
    address: Address?, id: UUID?
  ) {
    self.derivation = derivation
    self.initialCounter = initialCounter
    self.ciphertext = ciphertext
    self.mac = mac
    self.address = address
    self.id = id
  }

  /// Encrypts a key.
  ///
  /// The derivation is the slow part: scrypt's default takes about half a second, on purpose.
  ///
  /// - Throws: `KeystoreError` when the derivation's parameters are refused.
  public init(
    encrypting key: SecretKey, password: String, cost: KeyDerivation.Cost = .scrypt()
  ) throws(KeystoreError) {
    try self.init(encrypting: key, password: SecretBytes(password.utf8), cost: cost)
  }

  /// Encrypts a key with a password in UTF-8.
  package init(
    encrypting key: SecretKey, password: SecretBytes, cost: KeyDerivation.Cost = .scrypt()
  ) throws(KeystoreError) {
    let derivation = try KeyDerivation(cost: cost, salt: Self.random(32))
    let derived = try derivation.key(for: password)
    let counter = Self.random(16)
    let sealed = try Self.cipher(key.bytes, derived: derived, counter: counter)
    let ciphertext = sealed.withUnsafeBytes { Array($0) }
    self.init(
      derivation: derivation, initialCounter: counter, ciphertext: ciphertext,
      mac: Self.mac(derived: derived, ciphertext: ciphertext), address: key.address, id: UUID())
  }

  /// Decrypts the key.
  ///
  /// - Throws: `KeystoreError.wrongPassword` when the seal does not fit, `.wrongAddress` when the
  ///   key is not that of the account that the file names.
  public func key(password: String) throws(KeystoreError) -> SecretKey {
    try key(password: SecretBytes(password.utf8))
  }

  /// Decrypts the key with a password in UTF-8.
  package func key(password: SecretBytes) throws(KeystoreError) -> SecretKey {
    let derived = try derivation.key(for: password)
    guard Libcrypto.equal(Self.mac(derived: derived, ciphertext: ciphertext), mac) else {
      throw .wrongPassword
    }
    let opened = try Self.cipher(
      SecretBytes(ciphertext), derived: derived, counter: initialCounter)
    let key: SecretKey
    do { key = try SecretKey(secret: opened.padded(to: 32)) } catch { throw .notAKey(error) }
    if let address, address != key.address {
      throw .wrongAddress(expected: address, actual: key.address)
    }
    return key
  }

  private static func random(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    bytes.withUnsafeMutableBytes { Libcrypto.fillRandom($0) }
    return bytes
  }

  private static func cipher(
    _ input: SecretBytes, derived: SecretBytes, counter: [UInt8]
  ) throws(KeystoreError) -> SecretBytes {
    do {
      return try Libcrypto.aes128CTR(key: derived.slice(0..<16), iv: counter, input: input)
    } catch { throw .library(error.description) }
  }

  private static func mac(derived: SecretBytes, ciphertext: [UInt8]) -> [UInt8] {
    let sealed = SecretBytes(count: 16 + ciphertext.count) { output in
      derived.withUnsafeBytes { output[..<16].copyBytes(from: $0[16..<32]) }
      output[16...].copyBytes(from: ciphertext)
    }
    return sealed.withUnsafeBytes { Keccak256.hash($0) }.bytes
  }
}

extension SecretBytes {
  /// The bytes behind as many zeros as are missing.
  fileprivate func padded(to count: Int) -> SecretBytes {
    guard self.count < count else { return self }
    return SecretBytes(count: count) { output in
      withUnsafeBytes { output[(count - self.count)...].copyBytes(from: $0) }
    }
  }
}
