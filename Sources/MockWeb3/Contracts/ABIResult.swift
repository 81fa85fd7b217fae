import EthereumPrimitives

/// What a contract call returns, in ABI form.
enum ABIResult {
  static func bool(_ value: Bool) -> [UInt8] { ABI.word(value ? 1 : 0 as Word) }

  static func words(_ values: [Word]) -> [UInt8] { values.flatMap(\.bigEndianBytes) }

  /// `address[]`.
  static func addresses(_ values: [Address]) -> [UInt8] {
    words([32, Word(UInt64(values.count))] + values.map(\.word))
  }

  /// A string's length and bytes, filled up to whole words.
  static func string(_ text: String) -> [UInt8] {
    let bytes = Array(text.utf8)
    let padding = [UInt8](repeating: 0, count: (32 - bytes.count % 32) % 32)
    return ABI.word(Word(UInt64(bytes.count))) + bytes + padding
  }
}
