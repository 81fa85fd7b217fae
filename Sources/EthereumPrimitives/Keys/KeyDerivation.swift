/// How a keystore's key follows from its password: a slow function, its cost and its salt.
public struct KeyDerivation: Hashable, Sendable {
  /// A function with what decides its cost.
  public enum Cost: Hashable, Sendable {
    /// RFC 7914: n (a power of two) rounds over blocks of r · 128 bytes, p times.
    case scrypt(n: UInt64 = 262_144, r: UInt64 = 8, p: UInt64 = 1)
    /// RFC 8018 with HMAC-SHA256.
    case pbkdf2(iterations: UInt32 = 1_000_000)
  }

  /// The most memory that scrypt may take, in bytes: 1 GiB, four times the usual.
  public static let memoryLimit: UInt64 = 1 << 30
  /// The most rounds that PBKDF2 may take: ten times the usual.
  public static let iterationLimit: UInt32 = 10_000_000

  /// The function and its cost.
  public let cost: Cost
  /// What makes equal passwords lead to different keys.
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
      // Bounding each first keeps the product below from overflowing.
      let limit = Self.memoryLimit / 128
      guard r > 0, r <= limit, n <= limit, n * r <= limit else {
        throw .invalidParameter("r", "\(r)", "n·r from 1 to \(limit)")
      }
      guard p > 0, p <= 64 else { throw .invalidParameter("p", "\(p)", "1 to 64") }
    case .pbkdf2(let iterations):
      guard iterations > 0, iterations <= Self.iterationLimit else {
        throw .invalidParameter("c", "\(iterations)", "1 to \(Self.iterationLimit)")
      }
    }
    guard !salt.isEmpty else { throw .invalidParameter("salt", "empty", "at least one byte") }
    self.cost = cost
    self.salt = salt
  }

  /// The 32 bytes that follow from a password's UTF-8 form.
  func key(for password: SecretBytes) throws(KeystoreError) -> SecretBytes {
    do {
      switch cost {
      case .scrypt(let n, let r, let p):
        // The library counts a little more than the blocks themselves.
        return try Libcrypto.scrypt(
          password: password, salt: salt, n: n, r: r, p: p,
          memoryLimit: Self.memoryLimit + 64 << 20, count: 32)
      case .pbkdf2(let iterations):
        return try Libcrypto.pbkdf2(
          .sha256, password: password, salt: salt, iterations: Int32(iterations), count: 32)
      }
    } catch { throw .library(error.description) }
  }
}
