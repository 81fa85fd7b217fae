import EthereumPrimitives
import PlumiseWire

/// Numbers as the helpers of development chains take them, which is more freely than geth does.
///
/// Anvil takes JSON integers, decimal text and hexadecimal text with leading zeros or without;
/// Hardhat takes numbers and quantities. What does not fit is refused with its name and its limits.
extension RPCValue {
  /// A whole number of a range.
  /// - Parameters:
  ///   - name: what the number is, for the refusal.
  ///   - range: the least and the greatest.
  func number(_ name: String, in range: ClosedRange<UInt64> = 0...UInt64.max) throws -> UInt64 {
    guard let number = anyNumber?.exactUInt64(), range.contains(number) else {
      throw refusal(name, "\(range.lowerBound)", "\(range.upperBound)")
    }
    return number
  }

  /// A whole number of up to 256 bits, such as an amount in wei.
  /// - Parameter name: what the number is, for the refusal.
  func amount(_ name: String) throws -> Word {
    guard let number = anyNumber else { throw refusal(name, "0", "2^256 - 1") }
    return number
  }

  private func refusal(_ name: String, _ least: String, _ greatest: String) -> RPCFailure {
    let text = json.text
    let shown = text.utf8.count <= 100 ? text : "\(text.prefix(100))…"
    return failure("\(name) is a whole number from \(least) to \(greatest), not \(shown)")
  }

  /// The number, in any of the spellings; nil when it is none, negative, broken or too large.
  private var anyNumber: Word? {
    switch json {
    case .string(let text): Self.number(text)
    case .number(let number):
      // JavaScript writes no difference between 5 and 5.0.
      number.isInteger
        ? Self.number(number.text == "-0" ? "0" : number.text)
        : UInt64(exactly: number.double).map { Word($0) }
    default: nil
    }
  }

  private static func number(_ text: String) -> Word? {
    guard text.hasPrefix("0x") || text.hasPrefix("0X") else { return try? Word(decimal: text) }
    let digits = text.utf8.dropFirst(2).drop { $0 == UInt8(ascii: "0") }
    guard !digits.isEmpty else { return .zero }
    return try? Quantity.decode("0x" + String(decoding: digits, as: UTF8.self))
  }
}
