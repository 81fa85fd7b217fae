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
