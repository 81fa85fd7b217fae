import EthereumPrimitives

/// A contract's functions, as an enum whose raw values are the signatures.
protocol ContractFunctions: CaseIterable, RawRepresentable, Hashable, Sendable
where RawValue == String {
  /// All functions by their selectors; computed once.
  static var bySelector: [[UInt8]: Self] { get }
}

extension ContractFunctions {
  static func makeTable() -> [[UInt8]: Self] {
    Dictionary(uniqueKeysWithValues: allCases.map { (ABI.selector($0.rawValue), $0) })
  }

  /// Splits a call's input into the function and its arguments.
  /// - Throws: a revert without a reason when there is no such function, as Solidity does.
  static func parse(_ input: [UInt8]) throws(Revert) -> (Self, ABIArguments) {
    guard input.count >= 4, let function = bySelector[Array(input[..<4])] else { throw .silent }
    return (function, ABIArguments(input[4...]))
  }
}
