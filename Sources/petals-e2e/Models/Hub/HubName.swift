import Foundation

/// A model's name on a hub: `owner/name`, or `name` alone for the hub's own.
struct HubName: Hashable, Sendable, CustomStringConvertible {
  let description: String

  /// - Throws: `CommandFailure` (wrong input) for a name that no hub has.
  init(_ text: String) throws {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    let isName = (1...2).contains(parts.count) && parts.allSatisfy(Self.isPart)
    guard isName else {
      throw CommandFailure.wrongInput("'\(text)' names no model; give OWNER/NAME")
    }
    description = text
  }

  private static func isPart(_ part: Substring) -> Bool {
    (1...96).contains(part.utf8.count) && !part.allSatisfy { $0 == "." }
      && part.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
          UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }
}
