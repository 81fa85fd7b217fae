import COpenSSL

/// The one place that calls OpenSSL's libcrypto.
///
/// Why that is safe: every function here is a one-shot with its own context, so no object of the
/// library is shared between threads (libcrypto itself initialises once and is thread-safe); every
/// length is passed beside its pointer and comes from the same buffer; every return code is
/// checked; no pointer outlives the call. Buffers may be empty: the functions used accept a null
/// pointer with length 0, except as a password, where `nonNull` supplies a byte that is not read.
enum Libcrypto {
  enum Digest {
    case sha256, sha512

    fileprivate var pointer: OpaquePointer? {
      switch self {
      case .sha256: EVP_sha256()
      case .sha512: EVP_sha512()
      }
    }
  }

  /// Overwrites bytes in a way that the optimiser cannot leave out.
  static func cleanse(_ bytes: UnsafeMutableRawBufferPointer) {
    OPENSSL_cleanse(bytes.baseAddress, bytes.count)
  }

  /// Fills a buffer from the generator for secrets.
  ///
  /// Without randomness no key is safe, so it traps when there is none.
  static func fillRandom(_ bytes: UnsafeMutableRawBufferPointer) {
    let address = bytes.assumingMemoryBound(to: UInt8.self).baseAddress
    precondition(
      RAND_priv_bytes(address, Int32(bytes.count)) == 1, "the system gives no random bytes")
  }

  /// Whether two byte strings are equal, in a time that depends on their length alone.
  static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.count == right.count && CRYPTO_memcmp(left, right, left.count) == 0
  }

  /// PBKDF2 with HMAC (RFC 8018).
  static func pbkdf2(
    _ digest: Digest, password: SecretBytes, salt: [UInt8], iterations: Int32, count: Int
  ) throws(LibcryptoError) -> SecretBytes {
    try salt.withUnsafeBufferPointer { (salt) throws(LibcryptoError) in
      try pbkdf2(
        digest, password: password, salt: UnsafeRawBufferPointer(salt), iterations: iterations,
        count: count)
    }
  }

  /// PBKDF2 with HMAC (RFC 8018), with a salt that is a secret itself.
  static func pbkdf2(
    _ digest: Digest, password: SecretBytes, salt: UnsafeRawBufferPointer, iterations: Int32,
    count: Int
  ) throws(LibcryptoError) -> SecretBytes {
    guard let passwordLength = Int32(exactly: password.count),
      let saltLength = Int32(exactly: salt.count), let outputLength = Int32(exactly: count)
    else { throw .failed("PKCS5_PBKDF2_HMAC") }
    return try SecretBytes(count: count) { (output) throws(LibcryptoError) in
      let result = nonNull(password) { password, _ in
        PKCS5_PBKDF2_HMAC(
          password, passwordLength, salt.assumingMemoryBound(to: UInt8.self).baseAddress,
          saltLength, iterations, digest.pointer, outputLength,
          output.assumingMemoryBound(to: UInt8.self).baseAddress)
      }
      guard result == 1 else { throw .failed("PKCS5_PBKDF2_HMAC") }
    }
  }

  /// Runs a body with zeroed memory, which is wiped behind it.
  ///
  /// - Throws: when the system has not so much, rather than ending the process; else what `body`
  ///   throws.
  static func withSecretMemory<R>(
    byteCount: Int, _ body: (UnsafeMutableRawBufferPointer) throws(LibcryptoError) -> R
  ) throws(LibcryptoError) -> R {
    guard byteCount > 0, let start = CRYPTO_zalloc(byteCount, "", 0) else {
      throw .failed("CRYPTO_zalloc")
    }
    defer { CRYPTO_clear_free(start, byteCount, "", 0) }
    return try body(UnsafeMutableRawBufferPointer(start: start, count: byteCount))
  }

  /// scrypt (RFC 7914), which needs about 128·n·r bytes of memory; not for n of 2^(16 r) or more,
  /// which the library refuses and ``Scrypt`` computes.
  static func scrypt(
    password: SecretBytes, salt: [UInt8], n: UInt64, r: UInt64, p: UInt64,
    memoryLimit: UInt64, count: Int
  ) throws(LibcryptoError) -> SecretBytes {
    try SecretBytes(count: count) { (output) throws(LibcryptoError) in
      let result = nonNull(password) { password, length in
        EVP_PBE_scrypt(
          password, length, salt, salt.count, n, r, p, memoryLimit,
          output.assumingMemoryBound(to: UInt8.self).baseAddress, output.count)
      }
      guard result == 1 else { throw .failed("EVP_PBE_scrypt") }
    }
  }

  /// HMAC-SHA512 (RFC 2104) of a message.
  static func hmacSHA512(
    key: UnsafeRawBufferPointer, message: UnsafeRawBufferPointer
  ) throws(LibcryptoError) -> SecretBytes {
    try SecretBytes(count: 64) { (output) throws(LibcryptoError) in
      var written = 0
      let result = EVP_Q_mac(
        nil, "HMAC", nil, "SHA512", nil, key.baseAddress, key.count,
        message.assumingMemoryBound(to: UInt8.self).baseAddress, message.count,
        output.assumingMemoryBound(to: UInt8.self).baseAddress, output.count, &written)
      guard result != nil, written == 64 else { throw .failed("EVP_Q_mac") }
    }
  }

  /// A digest of a buffer.
  static func digest(_ digest: Digest, _ message: UnsafeRawBufferPointer) -> [UInt8] {
    var output = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var count: UInt32 = 0
    let result = EVP_Digest(
      message.baseAddress, message.count, &output, &count, digest.pointer, nil)
    precondition(result == 1, "EVP_Digest fails without a reason: there is no memory")
    return Array(output[..<Int(count)])
  }

  /// The power of numbers modulo another, as many bytes as the modulus has; nil for a number of more than
  /// some 67 million bytes, which a BIGNUM cannot hold.
  ///
  /// The numbers are public, so the quick functions do, whose time depends on them.
  static func modularPower(base: [UInt8], exponent: [UInt8], modulus: [UInt8]) -> [UInt8]? {
    var output = [UInt8](repeating: 0, count: modulus.count)
    guard modulus.contains(where: { $0 != 0 }) else { return output }
    guard let context = BN_CTX_new() else { preconditionFailure("no memory for a BN_CTX") }
    defer { BN_CTX_free(context) }
    let numbers = [base, exponent, modulus].map { (bytes: [UInt8]) in
      BN_bin2bn(bytes, Int32(bytes.count), nil)
    }
    let result = BN_new()
    defer { for number in numbers + [result] { BN_free(number) } }
    guard numbers.allSatisfy({ $0 != nil }) else { return nil }
    precondition(
      BN_mod_exp(result, numbers[0], numbers[1], numbers[2], context) == 1
        && BN_bn2binpad(result, &output, Int32(output.count)) == Int32(output.count),
      "BN_mod_exp refuses only a modulus of 0: there is no memory")
    return output
  }

  /// AES-128 in counter mode, which encrypts and decrypts alike.
  static func aes128CTR(
    key: SecretBytes, iv: [UInt8], input: SecretBytes
  ) throws(LibcryptoError) -> SecretBytes {
    precondition(key.count == 16 && iv.count == 16, "AES-128 takes 16 bytes of key and of IV")
    guard let context = EVP_CIPHER_CTX_new() else { throw .failed("EVP_CIPHER_CTX_new") }
    defer { EVP_CIPHER_CTX_free(context) }
    return try SecretBytes(count: input.count) { (output) throws(LibcryptoError) in
      let started = key.withUnsafeBytes {
        EVP_EncryptInit_ex(
          context, EVP_aes_128_ctr(), nil, $0.assumingMemoryBound(to: UInt8.self).baseAddress, iv)
      }
      guard started == 1 else { throw .failed("EVP_EncryptInit_ex") }
      var written: Int32 = 0
      let updated = input.withUnsafeBytes {
        EVP_EncryptUpdate(
          context, output.assumingMemoryBound(to: UInt8.self).baseAddress, &written,
          $0.assumingMemoryBound(to: UInt8.self).baseAddress, Int32($0.count))
      }
      guard updated == 1, Int(written) == output.count else { throw .failed("EVP_EncryptUpdate") }
    }
  }

  /// Hands over a password as characters, with a pointer that is never null.
  private static func nonNull<R>(
    _ password: SecretBytes, _ body: (UnsafePointer<CChar>, Int) -> R
  ) -> R {
    // One byte more, so that the buffer of an empty password has an address.
    let characters = SecretBytes(count: password.count + 1) { output in
      password.withUnsafeBytes { output.copyBytes(from: $0) }
    }
    return characters.withUnsafeBytes { buffer in
      guard let start = buffer.assumingMemoryBound(to: CChar.self).baseAddress else {
        preconditionFailure("never empty")
      }
      return body(start, password.count)
    }
  }
}

/// A function of libcrypto that refused its arguments or had no memory.
package struct LibcryptoError: Error, Hashable, Sendable, CustomStringConvertible {
  let function: String

  static func failed(_ function: String) -> LibcryptoError { LibcryptoError(function: function) }

  package var description: String { "libcrypto's \(function) failed" }
}
