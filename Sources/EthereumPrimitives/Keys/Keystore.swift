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

/// Why a keystore does not give its key, or cannot be made.
public enum KeystoreError: Error, Hashable, Sendable, CustomStringConvertible {
  /// A field is missing, of the wrong type or of the wrong length; the text names it.
  case malformed(String)
  /// A field has an unsupported value: its name and the value.
  case unsupported(String, String)
  /// A parameter of the derivation is out of range: its name, its value and what is accepted.
  case invalidParameter(String, String, String)
  /// The seal does not fit the password.
  case wrongPassword
  /// The decrypted bytes are no secret key.
  case notAKey(SecretKeyError)
  /// The key belongs to another account than the file says.
  case wrongAddress(expected: Address, actual: Address)
  /// The cryptographic library failed, for want of memory.
  case library(String)

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .malformed(let reason): "malformed keystore: \(reason)"
    case .unsupported(let field, let value):
      "the keystore's \(field) is \(value), which is not supported"
    case .invalidParameter(let name, let value, let accepted):
      "the keystore's \(name) is \(value); accepted is \(accepted)"
    case .wrongPassword: "wrong password for the keystore, or the file was altered"
    case .notAKey(let error): "the keystore holds no key: \(error)"
    case .wrongAddress(let expected, let actual):
      "the keystore says \(expected) and holds the key of \(actual)"
    case .library(let reason): reason
    }
  }
}

/// How a keystore's key follows from its password: a slow function, its cost and its salt.
public struct KeyDerivation: Hashable, Sendable {
  /// The hash that PBKDF2's HMAC is made of.
  public enum PseudorandomFunction: String, Hashable, Sendable, CaseIterable {
    /// The format's own.
    case sha256 = "hmac-sha256"
    /// HMAC-SHA-512, which some writers use instead.
    case sha512 = "hmac-sha512"
  }

  /// A derivation function with its cost parameters.
  public enum Cost: Hashable, Sendable {
    /// RFC 7914: n (a power of two) rounds over blocks of r · 128 bytes, p times.
    case scrypt(n: UInt64 = 262_144, r: UInt64 = 8, p: UInt64 = 1)
    /// RFC 8018 with HMAC.
    case pbkdf2(iterations: UInt32 = 1_000_000, prf: PseudorandomFunction = .sha256)
  }

  /// The most memory that scrypt may take, in bytes: 1 GiB, four times the usual.
  public static let memoryLimit: UInt64 = 1 << 30
  /// The most that scrypt may compute, n·r·p: 64 times the usual, about a minute.
  public static let workLimit: UInt64 = 1 << 27
  /// The most rounds that PBKDF2 may take: ten times the usual.
  public static let iterationLimit: UInt32 = 10_000_000

  /// The function and its cost.
  public let cost: Cost
  /// The salt, so that equal passwords give different keys.
  public let salt: [UInt8]

  /// A derivation that this machine can be asked to do.
  ///
  /// - Throws: `KeystoreError.invalidParameter` when a parameter is meaningless, or so large that
  ///   the file rather seems to attack its reader.
  public init(cost: Cost, salt: [UInt8]) throws(KeystoreError) {
    switch cost {
    case .scrypt(let n, let r, let p):
      guard n > 1, n.nonzeroBitCount == 1 else {
        throw .invalidParameter("n", "\(n)", "a power of two above 1")
      }
      // Bounding each first keeps the products below from overflowing.
      let limit = Self.memoryLimit / 128
      guard r > 0, r <= limit, n <= limit, n * r <= limit else {
        throw .invalidParameter("r", "\(r)", "n·r from 1 to \(limit)")
      }
      // The blocks themselves are p·r: they share the bound of the table.
      let most = min(Self.workLimit / (n * r), limit / r)
      guard p > 0, p <= most else { throw .invalidParameter("p", "\(p)", "1 to \(most)") }
    case .pbkdf2(let iterations, _):
      guard iterations > 0, iterations <= Self.iterationLimit else {
        throw Self.invalidIterations("\(iterations)")
      }
    }
    self.cost = cost
    self.salt = salt
  }

  static func invalidIterations(_ count: String) -> KeystoreError {
    .invalidParameter("c", count, "1 to \(iterationLimit)")
  }

  /// The 32 bytes that follow from a password's UTF-8 form.
  func key(for password: SecretBytes) throws(KeystoreError) -> SecretBytes {
    do {
      switch cost {
      case .scrypt(let n, let r, let p): return try scrypt(password, n: n, r: r, p: p)
      case .pbkdf2(let iterations, let prf):
        return try Libcrypto.pbkdf2(
          prf == .sha256 ? .sha256 : .sha512, password: password, salt: salt,
          iterations: Int32(iterations), count: 32)
      }
    } catch { throw .library(error.description) }
  }

  private func scrypt(
    _ password: SecretBytes, n: UInt64, r: UInt64, p: UInt64
  ) throws(LibcryptoError) -> SecretBytes {
    // Beyond r = 3 the library's limit has no bits of a word left.
    if r < 4, n >= 1 << (16 * r) {
      return try Scrypt.key(
        password: password, salt: salt, n: Int(n), r: Int(r), p: Int(p), count: 32)
    }
    // The table and the blocks together; the library counts a little more than that.
    return try Libcrypto.scrypt(
      password: password, salt: salt, n: n, r: r, p: p,
      memoryLimit: 2 * Self.memoryLimit + 64 << 20, count: 32)
  }
}
