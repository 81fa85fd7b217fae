package import EthereumPrimitives

/// Bytes on the command line: 0x and hexadecimal digits.
package struct HexBytes: OptionLimits {
  private let name: String

  /// - Parameter name: what the bytes are, `the code`.
  package init(_ name: String) { self.name = name }

  package var limits: String { "" }
  package var expectation: String { "\(name) is 0x and an even number of hexadecimal digits" }

  package func value(_ text: String) -> [UInt8]? {
    do {
      return try Hex.decode(text)
    } catch {
      // What is expected says it all.
      return nil
    }
  }

  package func spelling(_ value: [UInt8]) -> String { Hex.encode(value) }
}

/// Amounts on the command line: wei in decimal digits, or hexadecimal ones behind 0x.
package struct Amounts: OptionLimits {
  package init() {}

  package var limits: String { "from 0 to 2^256 - 1" }
  package var expectation: String {
    "an amount is a whole number of wei from 0 to 2^256 - 1, decimal or with 0x"
  }

  package func value(_ text: String) -> Word? {
    do {
      return try text.hasPrefix("0x") ? Quantity.decode(text) : Word(decimal: text)
    } catch {
      // What is expected says it all.
      return nil
    }
  }

  package func spelling(_ value: Word) -> String { value.description }
}

extension OptionLimits where Self == HexBytes {
  static func bytes(_ name: String) -> Self { HexBytes(name) }
}

extension OptionLimits where Self == Amounts {
  static var amount: Self { Amounts() }
}
