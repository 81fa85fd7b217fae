/// The digest that a wallet signs for a text (EIP-191, version 0x45, `personal_sign`).
public enum PersonalMessage {
  /// The digest of the UTF-8 form of a text.
  public static func hash(_ text: String) -> Hash32 { hash(Array(text.utf8)) }

  /// keccak256 of 0x19, `Ethereum Signed Message:`, a line feed, the count of bytes in decimal,
  /// and the bytes.
  public static func hash(_ bytes: [UInt8]) -> Hash32 {
    Keccak256.hash(Array("\u{19}Ethereum Signed Message:\n\(bytes.count)".utf8) + bytes)
  }
}
