/// How a keystore's key follows from its password: a slow function, its cost and its salt.
public struct KeyDerivation: Hashable, Sendable {
  /// The hash that PBKDF2's HMAC is made of.
  public enum PseudorandomFunction: String, Hashable, Sendable, CaseIterable {
    /// The format's own.
    case sha256 = "hmac-sha256"
    /// What some writers use in its place.
    case sha512 = "hmac-sha512"
  }

  /// A function with what decides its cost.
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
