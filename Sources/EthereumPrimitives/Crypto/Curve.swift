import CSecp256k1

/// The one place that calls libsecp256k1.
///
/// Why that is safe: there is one context, created and randomised before anyone else can see it
/// (Swift runs a static initialiser once, under a lock) and only read after that; the library's
/// documentation says that a constructed context may be used from several threads at once, and
/// that only the functions which take it as a non-const pointer need exclusive access: of those
/// we call `secp256k1_context_randomize` alone, inside the initialiser. The library aborts the
/// process on an illegal argument; none can reach it, since every buffer's length is checked by
/// the types around (`Hash32`, `SecretBytes` of 32, arrays made here) and every object is
/// initialised by the library before it is read. No pointer outlives the call.
enum Curve {
  private struct Context: @unchecked Sendable {
    let pointer: OpaquePointer

    init() {
      guard let pointer = secp256k1_context_create(UInt32(SECP256K1_CONTEXT_NONE)) else {
        preconditionFailure("no memory for a libsecp256k1 context")
      }
      // Blinds the multiplications with the secret key against side channels.
      let seed = SecretBytes(count: 32) { Libcrypto.fillRandom($0) }
      let blinded = seed.withUnsafeBytes {
        secp256k1_context_randomize(pointer, start($0))
      }
      precondition(blinded == 1, "libsecp256k1 refuses to randomise its context")
      self.pointer = pointer
    }
  }

  private static let context = Context()

  /// Whether 32 bytes are a secret key: neither zero nor the group's order or more.
  static func isSecretKey(_ secret: SecretBytes) -> Bool {
    secret.withUnsafeBytes { secp256k1_ec_seckey_verify(context.pointer, start($0)) == 1 }
  }

  /// The public key of a valid secret key, as 65 bytes: 0x04, x, y.
  static func publicKey(of secret: SecretBytes) -> [UInt8] {
    var key = secp256k1_pubkey()
    let made = secret.withUnsafeBytes {
      secp256k1_ec_pubkey_create(context.pointer, &key, start($0))
    }
    precondition(made == 1, "the secret key was validated when it was made")
    return serialized(key, compressed: false)
  }

  /// A deterministic signature (RFC 6979) with low s: r, s and the parity of the point's y.
  static func sign(_ hash: Hash32, with secret: SecretBytes) -> (compact: [UInt8], yParity: UInt8) {
    var signature = secp256k1_ecdsa_recoverable_signature()
    let signed = secret.withUnsafeBytes {
      secp256k1_ecdsa_sign_recoverable(
        context.pointer, &signature, hash.bytes, start($0), nil, nil)
    }
    precondition(signed == 1, "the secret key was validated when it was made")
    var compact = [UInt8](repeating: 0, count: 64)
    var recovery: Int32 = 0
    secp256k1_ecdsa_recoverable_signature_serialize_compact(
      context.pointer, &compact, &recovery, &signature)
    // 2 and 3 mean an x of n or more: nobody has ever seen one, and v cannot say it.
    precondition(recovery < 2, "the nonce's point has an x beyond the group's order")
    return (compact, UInt8(recovery))
  }

  /// The public key (65 bytes) whose signature this is, or nil when there is none.
  static func recover(_ hash: Hash32, compact: [UInt8], yParity: UInt8) -> [UInt8]? {
    precondition(compact.count == 64 && yParity < 2, "r, s and a parity")
    var signature = secp256k1_ecdsa_recoverable_signature()
    guard
      secp256k1_ecdsa_recoverable_signature_parse_compact(
        context.pointer, &signature, compact, Int32(yParity)) == 1
    else { return nil }
    var key = secp256k1_pubkey()
    guard secp256k1_ecdsa_recover(context.pointer, &key, &signature, hash.bytes) == 1 else {
      return nil
    }
    return serialized(key, compressed: false)
  }

  /// The 33- or 65-byte form of a public key given in either form, or nil when it is none.
  static func publicKey(parsing bytes: [UInt8], compressed: Bool) -> [UInt8]? {
    var key = secp256k1_pubkey()
    guard secp256k1_ec_pubkey_parse(context.pointer, &key, bytes, bytes.count) == 1 else {
      return nil
    }
    return serialized(key, compressed: compressed)
  }

  /// The sum of a secret key and 32 bytes modulo the order, or nil when that is no secret key.
  static func sum(_ secret: SecretBytes, _ tweak: SecretBytes) -> SecretBytes? {
    precondition(secret.count == 32 && tweak.count == 32, "both are scalars")
    var valid = false
    let sum = SecretBytes(count: 32) { output in
      secret.withUnsafeBytes { output.copyMemory(from: $0) }
      valid = tweak.withUnsafeBytes { tweak in
        let scalar = UnsafeMutablePointer(mutating: start(UnsafeRawBufferPointer(output)))
        return secp256k1_ec_seckey_tweak_add(context.pointer, scalar, start(tweak)) == 1
      }
    }
    return valid ? sum : nil
  }

  private static func serialized(_ key: secp256k1_pubkey, compressed: Bool) -> [UInt8] {
    var key = key
    var length = compressed ? 33 : 65
    var output = [UInt8](repeating: 0, count: length)
    let form = compressed ? SECP256K1_EC_COMPRESSED : SECP256K1_EC_UNCOMPRESSED
    secp256k1_ec_pubkey_serialize(context.pointer, &output, &length, &key, UInt32(form))
    return output
  }

  /// The address of 32 secret bytes, which are never an empty buffer.
  private static func start(_ bytes: UnsafeRawBufferPointer) -> UnsafePointer<UInt8> {
    guard bytes.count == 32, let start = bytes.baseAddress else {
      preconditionFailure("a scalar has 32 bytes, not \(bytes.count)")
    }
    return start.assumingMemoryBound(to: UInt8.self)
  }
}
