/// What contracts of the Ethereum virtual machine ask the libraries for.
package enum ContractCrypto {
  /// SHA-256 (FIPS 180-4): 32 bytes.
  package static func sha256(_ message: UnsafeRawBufferPointer) -> [UInt8] {
    Libcrypto.digest(.sha256, message)
  }

  /// The base to the power of the exponent modulo the modulus, in as many bytes as the modulus has;
  /// zeros when the modulus is 0 (EIP-198).
  ///
  /// All numbers are big-endian and of any length.
  package static func modularPower(
    base: [UInt8], exponent: [UInt8], modulus: [UInt8]
  ) -> [UInt8] {
    Libcrypto.modularPower(base: base, exponent: exponent, modulus: modulus)
  }

  /// The account whose key signed a digest, or nil when no key can have; unlike a transaction's
  /// signature, one with a high s is as good as any other.
  package static func signer(of hash: Hash32, r: Word, s: Word, yParity: UInt8) -> Address? {
    let compact = r.bigEndianBytes + s.bigEndianBytes
    return Curve.recover(hash, compact: compact, yParity: yParity).map {
      PublicKey(recovered: $0).address
    }
  }
}
