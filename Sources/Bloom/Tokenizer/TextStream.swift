/// Turns ids into text one at a time, holding back bytes until their character is whole.
public struct TextStream: Sendable {
  private let tokenizer: Tokenizer
  private var pending: [UInt8] = []
  /// Whether no token came yet.
  private var isAtStart = true

  /// An empty stream.
  public init(_ tokenizer: Tokenizer) {
    self.tokenizer = tokenizer
  }

  /// The text that is certain after one more id; may be empty.
  public mutating func append(_ id: Int32) -> String {
    if let bytes = tokenizer.knownBytes(id) {
      if !isAtStart { pending.append(contentsOf: tokenizer.separator) }
      isAtStart = false
      pending.append(contentsOf: bytes)
    }
    let whole = pending.count - unfinished
    defer { pending.removeFirst(whole) }
    return String(decoding: pending[..<whole], as: UTF8.self)
  }

  /// What was held back, at the end: a broken character becomes U+FFFD.
  public mutating func finish() -> String {
    defer { pending.removeAll() }
    return String(decoding: pending, as: UTF8.self)
  }

  /// Bytes at the end that may become a character with the next token's.
  private var unfinished: Int {
    for (distance, byte) in pending.reversed().prefix(3).enumerated() {
      switch byte {
      case 0xC2...0xDF: return distance < 1 ? distance + 1 : 0
      case 0xE0...0xEF: return distance < 2 ? distance + 1 : 0
      case 0xF0...0xF4: return distance < 3 ? distance + 1 : 0
      case 0x80...0xBF: continue
      default: return 0
      }
    }
    return 0
  }
}
