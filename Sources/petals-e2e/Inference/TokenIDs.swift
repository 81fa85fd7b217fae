import ArgumentParser
import PlumiseWire

/// Token ids as the command line spells them: `1,2,3`.
struct TokenIDs: ExpressibleByArgument {
  let values: [Int32]

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let ids = parts.compactMap { Int32($0) }
    guard !ids.isEmpty, ids.count == parts.count else { return nil }
    values = ids
  }
}

extension JSON {
  /// Token ids, in order.
  static func tokens(_ ids: [Int32]) -> JSON { .array(ids.map { .integer(Int($0)) }) }
}
