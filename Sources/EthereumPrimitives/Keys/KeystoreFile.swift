import Foundation

/// The JSON of the format, version 3: read as its writers write it, written by the letter.
extension Keystore: Codable {
  /// Reads a keystore's JSON, with a byte order mark or without.
  ///
  /// Only what decryption needs is checked: names may be in any case, numbers may be text, an `id`
  /// may be anything, an `address` may be missing or empty.
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

/// A keystore's JSON as it is written: the letter of the format, version 3.
struct KeystoreLayout: Encodable {
  struct Crypto: Encodable {
    struct CipherParameters: Encodable { let iv: String }
    struct DerivationParameters: Encodable {
      let dklen = 32
      let salt: String
      var n, r, p: UInt64?
      var c: UInt32?
      var prf: String?
    }
    let cipher = "aes-128-ctr"
    let ciphertext, kdf, mac: String
    let cipherparams: CipherParameters
    let kdfparams: DerivationParameters
  }
  let version = 3
  let id: String
  let address: String?
  let crypto: Crypto

  init(_ keystore: Keystore) {
    let salt = Hex.digits(keystore.derivation.salt)
    let kdf: String
    let parameters: Crypto.DerivationParameters
    switch keystore.derivation.cost {
    case .scrypt(let n, let r, let p):
      (kdf, parameters) = ("scrypt", .init(salt: salt, n: n, r: r, p: p))
    case .pbkdf2(let iterations, let prf):
      (kdf, parameters) = ("pbkdf2", .init(salt: salt, c: iterations, prf: prf.rawValue))
    }
    // RFC 4122 writes a UUID in lower case.
    id = (keystore.id ?? UUID()).uuidString.lowercased()
    address = keystore.address.map { String($0.lowercaseHex.dropFirst(2)) }
    crypto = Crypto(
      ciphertext: Hex.digits(keystore.ciphertext), kdf: kdf, mac: Hex.digits(keystore.mac),
      cipherparams: .init(iv: Hex.digits(keystore.initialCounter)), kdfparams: parameters)
  }
}

/// The members of one of a keystore's JSON objects, as its many writers spell them.
///
/// A member is found under its name in any case, as geth, ethers and eth-keyfile find it; null is as
/// good as no member. Only what is asked for is looked at.
struct KeystoreMembers {
  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }

    init?(intValue: Int) { nil }
  }

  private let container: KeyedDecodingContainer<Key>
  private let path: String

  /// The whole file.
  init(_ decoder: any Decoder) throws {
    container = try decoder.container(keyedBy: Key.self)
    path = ""
  }

  private init(_ container: KeyedDecodingContainer<Key>, path: String) {
    self.container = container
    self.path = path
  }

  /// The key that a member has in this file; nil when it is missing or null.
  private func key(_ name: String) throws -> Key? {
    let exact = Key(stringValue: name)
    let key =
      container.contains(exact)
      ? exact : container.allKeys.first { $0.stringValue.lowercased() == name }
    guard let key, try !container.decodeNil(forKey: key) else { return nil }
    return key
  }

  private func required(_ name: String) throws -> Key {
    guard let key = try key(name) else {
      throw KeystoreError.malformed("\(path)\(name) is missing")
    }
    return key
  }

  /// The object that a member is.
  func members(_ name: String) throws -> KeystoreMembers {
    KeystoreMembers(
      try container.nestedContainer(keyedBy: Key.self, forKey: required(name)),
      path: "\(path)\(name).")
  }

  /// The text that a member is.
  func text(_ name: String) throws -> String {
    try container.decode(String.self, forKey: required(name))
  }

  /// The whole number that a member is, in digits or as text of digits; nil without the member.
  /// - Parameter accepted: Which numbers would be right, for the error.
  /// - Throws: `KeystoreError.invalidParameter` for anything else than a number of 64 bits.
  func number(_ name: String, accepted: String) throws -> UInt64? {
    guard let key = try key(name) else { return nil }
    // What the member is not is found out by trying.
    if let number = try? container.decode(UInt64.self, forKey: key) { return number }
    let shown: String
    if let text = try? container.decode(String.self, forKey: key) {
      let isNumber = !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
      if isNumber, let number = UInt64(text) { return number }
      shown = text.count > 40 ? "\(text.prefix(40))…" : text
    } else if let number = try? container.decode(Int64.self, forKey: key) {
      shown = "\(number)"
    } else if let number = try? container.decode(Double.self, forKey: key) {
      shown = "\(number)"
    } else {
      shown = "no number of 64 bits"
    }
    throw KeystoreError.invalidParameter(name, shown, accepted)
  }

  /// The bytes that a member's digits are, with or without `0x`.
  func bytes(_ name: String, count: ClosedRange<Int>) throws -> [UInt8] {
    try Self.bytes(name, text(name), count: count)
  }

  /// The account that a member names; nil when it names none.
  func address(_ name: String) throws -> Address? {
    guard let key = try key(name) else { return nil }
    let text = try container.decode(String.self, forKey: key)
    guard !Self.digits(text).isEmpty else { return nil }
    return try Address(bytes: Self.bytes(name, text, count: 20...20))
  }

  /// The UUID that a member is, with or without dashes; nil for anything else.
  func uuid(_ name: String) -> UUID? {
    guard let key = try? key(name), let text = try? container.decode(String.self, forKey: key)
    else { return nil }
    if let id = UUID(uuidString: text) { return id }
    guard let bytes = try? Hex.decodeDigits(text), bytes.count == 16 else { return nil }
    return bytes.withUnsafeBytes { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
  }

  private static func digits(_ text: String) -> Substring {
    text.hasPrefix("0x") || text.hasPrefix("0X") ? text.dropFirst(2) : text[...]
  }

  private static func bytes(
    _ name: String, _ text: String, count: ClosedRange<Int>
  ) throws(KeystoreError) -> [UInt8] {
    let bytes: [UInt8]
    do { bytes = try Hex.decodeDigits(digits(text)) } catch {
      throw .malformed("\(name): \(error)")
    }
    guard count.contains(bytes.count) else {
      let (least, most) = (count.lowerBound, count.upperBound)
      let expected = least == most ? "\(least)" : "\(least) to \(most)"
      throw .malformed("\(name) has \(bytes.count) bytes instead of \(expected)")
    }
    return bytes
  }
}
