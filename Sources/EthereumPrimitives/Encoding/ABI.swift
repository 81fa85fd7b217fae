/// The encoding of contract calls, their results and their revert reasons.
///
/// Source: the contract ABI specification of Solidity. A head of 32-byte words holds values, or
/// the offsets of what has no fixed length.
public enum ABI {
  /// The first four bytes of keccak256 of a signature such as `isActive(address)`.
  public static func selector(_ signature: String) -> [UInt8] {
    Array(Keccak256.hash(signature).bytes[..<4])
  }

  /// An address, left-padded to 32 bytes.
  public static func word(_ address: Address) -> [UInt8] { address.word.bigEndianBytes }

  /// An integer, left-padded to 32 bytes.
  public static func word(_ value: Word) -> [UInt8] { value.bigEndianBytes }

  /// A truth value as 1 or 0.
  public static func word(_ value: Bool) -> [UInt8] { word(value ? 1 : .zero as Word) }

  /// The digest that names an event in the first topic of its logs.
  public static func eventTopic(_ signature: String) -> Hash32 { Keccak256.hash(signature) }

  /// A call's input: the selector, then the arguments.
  public static func call(_ signature: String, _ arguments: [ABIValue] = []) -> [UInt8] {
    selector(signature) + encode(arguments)
  }

  /// Encodes a sequence of values: arguments, or results.
  public static func encode(_ values: [ABIValue]) -> [UInt8] {
    var head: [UInt8] = []
    var tail: [UInt8] = []
    let headSize = values.reduce(0) { $0 + $1.headSize }
    for value in values {
      if value.isDynamic {
        head += word(Word(UInt64(headSize + tail.count)))
        tail += value.encoded
      } else {
        head += value.encoded
      }
    }
    return head + tail
  }

  /// The bytes that a contract reverts with when it gives a reason: `Error(string)`.
  public static func encodeError(_ reason: String) -> [UInt8] {
    call("Error(string)", [.string(reason)])
  }

  /// The reason in the bytes that a contract reverted with, or nil when they hold none.
  public static func decodeError(_ bytes: [UInt8]) -> String? {
    guard bytes.starts(with: selector("Error(string)")) else { return nil }
    // Contracts revert with whatever they like; what cannot be read is no reason.
    guard case .string(let reason)? = try? decode([.string], from: bytes.dropFirst(4)).first
    else { return nil }
    return reason
  }

  /// Decodes a sequence of values of known types.
  ///
  /// - Throws: `ABIError` when the bytes end early, an offset points outside them, or a value does
  ///   not fit its type.
  public static func decode(
    _ types: [ABIType], from bytes: some Collection<UInt8>
  ) throws(ABIError) -> [ABIValue] {
    let decoder = ABIDecoder(bytes: Array(bytes))
    return try decoder.decodeSequence(types, at: 0)
  }
}
