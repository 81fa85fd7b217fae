import Foundation

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
