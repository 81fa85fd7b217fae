import EthereumPrimitives
import PlumiseWire

/// Numbers that break programs which take any for granted: around every power of two, negative,
/// broken, too long, and texts that only look like numbers.
enum ExtremeNumbers {
  /// 0, 1, and each power of two with its neighbours, up to 2²⁵⁶ − 1.
  static let words: [Word] =
    [0, 1, 2, 3] + (2..<256).flatMap(around) + [.max]

  /// Those of them that are next to a limit of some type.
  static let limits: [Word] =
    [0, 1, 2, 3] + limitBits.flatMap(around) + [.max]

  private static let limitBits = [
    7, 8, 15, 16, 24, 31, 32, 33, 47, 52, 53, 54, 62, 63, 64, 65, 127, 128, 159, 160, 255,
  ]

  /// A power of two and its neighbours.
  private static func around(_ bit: Int) -> [Word] {
    let power = Word(1) << bit
    return [power - 1, power, power + 1]
  }

  /// Those that fit 64 bits.
  static let integers: [UInt64] = limits.compactMap { $0.exactUInt64() } + [.max - 1, .max]

  private static func number(_ text: String) -> JSON {
    guard let number = JSONNumber(text) else { preconditionFailure("\(text) is a JSON number") }
    return .number(number)
  }

  /// Every word as a JSON number and as a quantity.
  static let plain: [JSON] = words.flatMap { [number("\($0)"), .string(Quantity.encode($0))] }

  /// Spellings that somebody may take for a number.
  static let odd: [JSON] =
    limits.flatMap { word -> [JSON] in
      let hex = String(Quantity.encode(word).dropFirst(2))
      return [
        number("-\(word)"), .string("\(word)"), .string("-\(word)"), .string("0x0" + hex),
        .string("0X" + hex), .string("0x" + String(repeating: "0", count: 64) + hex),
        .string("-0x" + hex), number("\(word).0"), number("\(word).5"),
      ]
    } + strange

  /// What is no number of any type, or of no type that holds 256 bits.
  static let strange: [JSON] = [
    "0x10000000000000000000000000000000000000000000000000000000000000000",
    "115792089237316195423570985008687907853269984665640564039457584007913129639936",
    "", " ", "0x", "0X", "x", "NaN", "Infinity", "-Infinity", "nan", "1e3", "1.5", "+1", "0x+1",
    "1_000", "٣", "0xg", "latest", "pending", "earliest", "safe", "finalized", nil, true, [], [[]],
    JSON.object([:]), ["0x1"], ["a": 1],
    number("1e0"), number("1e3"), number("1e18"), number("1e19"), number("1e77"), number("1e78"),
    number("1e308"), number("1e309"), number("1e999999"), number("-1e309"), number("1e-9"),
    number("0.1"), number("-0"), number("-0.0"), number("9007199254740993.0"),
    number(String(repeating: "9", count: 400)),
  ]

  static let all = plain + odd

  /// Enough of them where each one costs a whole chain.
  static let few =
    limits.map { JSON.string(Quantity.encode($0)) }
    + integers.flatMap { [number("\($0)"), number("-\($0)")] } + strange
}

extension JSON {
  /// Every copy of the value in which one leaf is another one.
  func replacingEachLeaf(by other: JSON) -> [JSON] {
    switch self {
    case .array(let elements) where !elements.isEmpty:
      elements.indices.flatMap { index in
        elements[index].replacingEachLeaf(by: other).map { leaf in
          var copy = elements
          copy[index] = leaf
          return .array(copy)
        }
      }
    case .object(let object) where !object.members.isEmpty:
      object.members.flatMap { member in
        member.value.replacingEachLeaf(by: other).map { leaf in
          var copy = object
          copy[member.key] = leaf
          return .object(copy)
        }
      }
    default: [other]
    }
  }
}
