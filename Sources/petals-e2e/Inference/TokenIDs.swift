import PlumiseWire

/// Token ids as the command line spells them: `1,2,3`.
package struct TokenIDs: Hashable, Sendable {
  let values: [Int32]
}

/// Lists of token ids; whether the model has them is found out when it is open.
package struct TokenIDLists: OptionLimits {
  package init() {}

  package var limits: String { "" }
  package var expectation: String {
    "token ids are whole numbers from 0 to \(Int32.max) with commas between them"
  }

  package func value(_ text: String) -> TokenIDs? {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    let ids = parts.compactMap { Int32($0) }
    guard ids.count == parts.count, ids.allSatisfy({ $0 >= 0 }) else { return nil }
    return TokenIDs(values: ids)
  }
}

extension OptionLimits where Self == TokenIDLists {
  static var tokenIDs: Self { TokenIDLists() }
}

extension JSON {
  /// Token ids, in order.
  static func tokens(_ ids: [Int32]) -> JSON { .array(ids.map { .integer(Int($0)) }) }
}
