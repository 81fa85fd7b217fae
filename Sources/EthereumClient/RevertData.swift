import EthereumPrimitives
import PlumiseWire

/// What a program reverted with.
enum RevertData {
  /// The bytes in an error's data; nil when there are none that can be read.
  ///
  /// go-ethereum, Anvil and Erigon give them as digits, Hardhat and Ganache in an object, Nethermind
  /// and OpenEthereum behind a word.
  static func bytes(in data: JSON?) -> [UInt8]? {
    if let text = data?.stringValue {
      let digits = text.split(separator: " ").last ?? ""
      // What is no byte string was not meant as one.
      return try? Hex.decode(digits)
    }
    return data?.objectValue == nil ? nil : bytes(in: data?["data"] ?? data?["result"])
  }

  /// What the bytes say: a reason, a panic of Solidity's, or an error that the program defines.
  /// - Returns: Nil for no bytes.
  static func words(_ bytes: [UInt8]) -> String? {
    if bytes.isEmpty { return nil }
    if let reason = ABI.decodeError(bytes) { return reason }
    if bytes.starts(with: ABI.selector("Panic(uint256)")),
      case .uint(let code)? = try? ABI.decode([.uint], from: bytes.dropFirst(4)).first
    {
      // Bytes that do not decode are those of an error with the same selector.
      let name = code.exactUInt64().flatMap { panics[$0] }
      return "panic \(Quantity.encode(code))" + (name.map { ": \($0)" } ?? "")
    }
    let shown = Hex.encode(bytes.prefix(68))
    return "error \(shown)\(bytes.count > 68 ? "…" : "")"
  }

  /// The Solidity documentation, "Panic via assert and Error via require".
  private static let panics: [UInt64: String] = [
    0x01: "an assertion failed", 0x11: "arithmetic overflow", 0x12: "division by zero",
    0x21: "no such value of the enumeration", 0x22: "a damaged byte array",
    0x31: "pop of an empty array", 0x32: "index outside the array", 0x41: "too much memory",
    0x51: "a call of no function",
  ]
}
