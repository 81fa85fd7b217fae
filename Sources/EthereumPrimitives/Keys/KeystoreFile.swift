import Foundation

/// The JSON of the format, version 3: read as its writers write it, written by the letter.
extension Keystore: Codable {
  /// Reads a keystore's JSON, with a byte order mark or without.
  ///
  /// What decryption needs is checked, and nothing else: members are found in any case, numbers may
  /// be text, an `id` may be anything, an `address` may be missing or empty.
  /// - Throws: `KeystoreError` that names the field which is missing or wrong.
  public init(json: some Sequence<UInt8>) throws(KeystoreError) {
    var bytes = Data(json)
    if bytes.starts(with: [0xef, 0xbb, 0xbf]) { bytes = bytes.dropFirst(3) }
    do {
      self = try JSONDecoder().decode(Keystore.self, from: bytes)
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
    let file = try KeystoreMembers(decoder)
    guard let version = try file.number("version", accepted: "3") else {
      throw KeystoreError.malformed("version is missing")
    }
    guard version == 3 else { throw KeystoreError.unsupported("version", "\(version)") }
    let crypto = try file.members("crypto")
    let cipher = try crypto.text("cipher")
    guard cipher.lowercased() == "aes-128-ctr" else {
      throw KeystoreError.unsupported("cipher", cipher)
    }
    let counter = try crypto.members("cipherparams").bytes("iv", count: 1...16)
    try self.init(
      derivation: KeyDerivation(crypto),
      // A writer that takes it for a number leaves leading zeros out.
      initialCounter: [UInt8](repeating: 0, count: 16 - counter.count) + counter,
      ciphertext: crypto.bytes("ciphertext", count: 1...32),
      mac: crypto.bytes("mac", count: 32...32), address: file.address("address"),
      id: file.uuid("id"))
  }

  /// Writes the layout of the format, version 3; a keystore without an `id` gets a new one.
  public func encode(to encoder: any Encoder) throws {
    try KeystoreLayout(self).encode(to: encoder)
  }

  private static func explain(_ error: DecodingError) -> String {
    switch error {
    case .typeMismatch(_, let context) where !context.codingPath.isEmpty:
      "\(context.codingPath.map(\.stringValue).joined(separator: ".")) has the wrong type"
    default: "the file is no JSON object"
    }
  }
}

extension KeyDerivation {
  fileprivate init(_ crypto: KeystoreMembers) throws {
    let kdf = try crypto.text("kdf")
    let parameters = try crypto.members("kdfparams")
    // The first 32 bytes of a longer key are the key: both functions make it from the front.
    let wide = "32 or more"
    if let length = try parameters.number("dklen", accepted: wide), length < 32 {
      throw KeystoreError.invalidParameter("dklen", "\(length)", wide)
    }
    let cost: Cost
    switch kdf.lowercased() {
    case "scrypt":
      let accepted = "a whole number of 64 bits"
      guard let n = try parameters.number("n", accepted: accepted),
        let r = try parameters.number("r", accepted: accepted),
        let p = try parameters.number("p", accepted: accepted)
      else { throw KeystoreError.malformed("crypto.kdfparams needs n, r and p") }
      cost = .scrypt(n: n, r: r, p: p)
    case "pbkdf2":
      let accepted = "1 to \(Self.iterationLimit)"
      guard let c = try parameters.number("c", accepted: accepted) else {
        throw KeystoreError.malformed("crypto.kdfparams needs c")
      }
      guard let iterations = UInt32(exactly: c) else { throw Self.invalidIterations("\(c)") }
      let name = try parameters.text("prf")
      guard let prf = PseudorandomFunction(rawValue: name.lowercased()) else {
        throw KeystoreError.unsupported("crypto.kdfparams.prf", name)
      }
      cost = .pbkdf2(iterations: iterations, prf: prf)
    default: throw KeystoreError.unsupported("crypto.kdf", kdf)
    }
    try self.init(cost: cost, salt: parameters.bytes("salt", count: 0...(.max)))
  }
}
