import Foundation

extension Keystore: Codable {
  /// Reads a keystore's JSON.
  ///
  /// - Throws: `KeystoreError` that names the field which is missing or wrong.
  public init(json: some Sequence<UInt8>) throws(KeystoreError) {
    do {
      self = try JSONDecoder().decode(Keystore.self, from: Data(json))
    } catch let error as KeystoreError {
      throw error
    } catch let error as DecodingError {
      throw .malformed(Self.explain(error))
    } catch { throw .malformed("\(error)") }
  }

  /// The keystore's JSON, indented, with sorted keys.
  public func json() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return Array(try encoder.encode(self))
  }

  /// Reads the layout of the format, version 3.
  public init(from decoder: any Decoder) throws {
    let file = try KeystoreFile(from: decoder)
    guard file.version == 3 else { throw KeystoreError.unsupported("version", "\(file.version)") }
    let crypto = file.crypto
    guard crypto.cipher == "aes-128-ctr" else {
      throw KeystoreError.unsupported("cipher", crypto.cipher)
    }
    try self.init(
      derivation: crypto.derivation(),
      initialCounter: KeystoreFile.bytes("iv", crypto.cipherparams.iv, count: 16),
      ciphertext: KeystoreFile.bytes("ciphertext", crypto.ciphertext, count: 32),
      mac: KeystoreFile.bytes("mac", crypto.mac, count: 32),
      address: file.address.map { try KeystoreFile.address($0) }, id: file.id)
  }

  /// Writes the layout of the format, version 3.
  public func encode(to encoder: any Encoder) throws {
    try KeystoreFile(self).encode(to: encoder)
  }

  private static func explain(_ error: DecodingError) -> String {
    func path(_ context: DecodingError.Context, _ last: (any CodingKey)? = nil) -> String {
      (context.codingPath + (last.map { [$0] } ?? [])).map(\.stringValue).joined(separator: ".")
    }
    return switch error {
    case .keyNotFound(let key, let context): "\(path(context, key)) is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      "\(path(context)) has the wrong type"
    case .dataCorrupted(let context) where !context.codingPath.isEmpty:
      "\(path(context)): \(context.debugDescription)"
    default: "the file is no JSON object"
    }
  }
}

/// The layout of a keystore's JSON, before anything in it is trusted.
struct KeystoreFile: Codable {
  struct Crypto: Codable {
    struct CipherParameters: Codable { let iv: String }
    struct DerivationParameters: Codable {
      let dklen: Int
      let salt: String
      var n, r, p: UInt64?
      var c: UInt32?
      var prf: String?
    }
    let cipher, ciphertext, kdf, mac: String
    let cipherparams: CipherParameters
    let kdfparams: DerivationParameters
  }
  let version: Int
  let id: UUID
  let address: String?
  let crypto: Crypto

  init(_ keystore: Keystore) {
    let salt = Hex.digits(keystore.derivation.salt)
    let kdf: String
    let parameters: Crypto.DerivationParameters
    switch keystore.derivation.cost {
    case .scrypt(let n, let r, let p):
      (kdf, parameters) = ("scrypt", .init(dklen: 32, salt: salt, n: n, r: r, p: p))
    case .pbkdf2(let iterations):
      (kdf, parameters) = (
        "pbkdf2", .init(dklen: 32, salt: salt, c: iterations, prf: "hmac-sha256")
      )
    }
    version = 3
    id = keystore.id
    address = keystore.address.map { String($0.lowercaseHex.dropFirst(2)) }
    crypto = Crypto(
      cipher: "aes-128-ctr", ciphertext: Hex.digits(keystore.ciphertext), kdf: kdf,
      mac: Hex.digits(keystore.mac),
      cipherparams: .init(iv: Hex.digits(keystore.initialCounter)), kdfparams: parameters)
  }

  /// Digits with or without `0x`, of which writers make both.
  static func bytes(_ field: String, _ text: String, count: Int?) throws(KeystoreError) -> [UInt8] {
    let digits = text.hasPrefix("0x") ? text.dropFirst(2) : text[...]
    let bytes: [UInt8]
    do { bytes = try Hex.decodeDigits(digits) } catch { throw .malformed("\(field): \(error)") }
    if let count, bytes.count != count {
      throw .malformed("\(field) has \(bytes.count) bytes instead of \(count)")
    }
    return bytes
  }

  static func address(_ text: String) throws(KeystoreError) -> Address {
    let bytes = try bytes("address", text, count: 20)
    do { return try Address(bytes: bytes) } catch { throw .malformed("\(error)") }
  }
}

extension KeystoreFile.Crypto {
  func derivation() throws(KeystoreError) -> KeyDerivation {
    guard kdfparams.dklen == 32 else {
      throw .unsupported("crypto.kdfparams.dklen", "\(kdfparams.dklen)")
    }
    let salt = try KeystoreFile.bytes("salt", kdfparams.salt, count: nil)
    switch kdf {
    case "scrypt":
      guard let n = kdfparams.n, let r = kdfparams.r, let p = kdfparams.p else {
        throw .malformed("crypto.kdfparams needs n, r and p")
      }
      return try KeyDerivation(cost: .scrypt(n: n, r: r, p: p), salt: salt)
    case "pbkdf2":
      guard let c = kdfparams.c else { throw .malformed("crypto.kdfparams needs c") }
      guard kdfparams.prf == "hmac-sha256" else {
        throw .unsupported("crypto.kdfparams.prf", kdfparams.prf ?? "none")
      }
      return try KeyDerivation(cost: .pbkdf2(iterations: c), salt: salt)
    default: throw .unsupported("crypto.kdf", kdf)
    }
  }
}
