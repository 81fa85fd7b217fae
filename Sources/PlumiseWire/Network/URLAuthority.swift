/// The part of a URL's text that names the host and the port (RFC 3986 §3.2).
package enum URLAuthority {
  /// Whether a URL, `scheme://…`, names a port from 1 to 65535, or none.
  ///
  /// Types for URLs take every number, and sockets end the process that gives them a greater one.
  package static func hasPossiblePort(in url: String) -> Bool {
    guard let port = parts(of: url).port else { return true }
    let isNumber = port.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    guard isNumber, let number = Int(String(decoding: port, as: UTF8.self)) else { return false }
    return (1...65_535).contains(number)
  }

  /// The host and the port that a URL names: `127.0.0.1:3100` of `http://127.0.0.1:3100/health`.
  ///
  /// - Returns: Nil for a URL that names no port.
  package static func address(in url: String) -> String? {
    let (authority, port) = parts(of: url)
    return port == nil ? nil : String(decoding: authority, as: UTF8.self)
  }

  /// The authority without the user, and what follows its colon, if it has one.
  private static func parts(
    of url: String
  ) -> (authority: ArraySlice<UInt8>, port: ArraySlice<UInt8>?) {
    let bytes = Array(url.utf8)
    guard let scheme = bytes.firstIndex(of: UInt8(ascii: "/")) else { return ([], nil) }
    var authority = bytes[scheme...].drop { $0 == UInt8(ascii: "/") }
      .prefix { !"/?#".utf8.contains($0) }
    if let user = authority.lastIndex(of: UInt8(ascii: "@")) {
      authority = authority[(user + 1)...]
    }
    // An IPv6 address in brackets holds colons of its own.
    let end = authority.lastIndex(of: UInt8(ascii: "]")) ?? authority.startIndex
    guard let colon = authority[end...].lastIndex(of: UInt8(ascii: ":")) else {
      return (authority, nil)
    }
    return (authority, authority[(colon + 1)...])
  }
}
