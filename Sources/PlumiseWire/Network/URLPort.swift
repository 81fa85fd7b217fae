/// The port that a URL's text names, which sockets take from 1 to 65535 only.
///
/// Types for URLs take every number, and sockets end the process that gives them a greater one.
package enum URLPort {
  /// Whether a URL, `scheme://…`, names a port from 1 to 65535, or none.
  package static func isPossible(in url: String) -> Bool {
    let bytes = Array(url.utf8)
    guard let scheme = bytes.firstIndex(of: UInt8(ascii: "/")) else { return true }
    var authority = bytes[scheme...].drop { $0 == UInt8(ascii: "/") }
      .prefix { !"/?#".utf8.contains($0) }
    if let user = authority.lastIndex(of: UInt8(ascii: "@")) {
      authority = authority[(user + 1)...]
    }
    // An IPv6 address in brackets holds colons of its own.
    if let bracket = authority.lastIndex(of: UInt8(ascii: "]")) {
      authority = authority[bracket...]
    }
    guard let colon = authority.lastIndex(of: UInt8(ascii: ":")) else { return true }
    let digits = authority[(colon + 1)...]
    let isNumber = digits.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    guard isNumber, let port = Int(String(decoding: digits, as: UTF8.self)) else { return false }
    return (1...65_535).contains(port)
  }
}
