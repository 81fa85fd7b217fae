/// The base URL of an oracle: `http` or `https`, a host, perhaps a port and a path.
///
/// Trailing slashes do not count: `http://127.0.0.1:3100/` and `http://127.0.0.1:3100` are the same
/// oracle.
public struct OracleURL: Sendable, Hashable, CustomStringConvertible {
  /// The URL without its trailing slashes.
  public let base: String

  /// Checks and keeps a base URL.
  /// - Throws: ``ReporterError`` of code ``ReporterError/Code/invalidURL``.
  public init(_ text: String) throws(ReporterError) {
    func refuse(_ reason: String) -> ReporterError {
      .invalidURL(text, reason: reason)
    }
    guard let scheme = ["http://", "https://"].first(where: text.lowercased().hasPrefix) else {
      throw refuse("it starts with neither http:// nor https://")
    }
    let refused = text.unicodeScalars.first {
      $0.properties.isWhitespace || $0 == "?" || $0 == "#"
    }
    if let refused { throw refuse("it holds \"\(refused)\"") }
    let authority = text.dropFirst(scheme.count).prefix { $0 != "/" }
    // A bracketed IPv6 host holds colons of its own.
    let hostEnd = authority.lastIndex(of: "]") ?? authority.startIndex
    if let colon = authority[hostEnd...].lastIndex(of: ":") {
      let port = authority[authority.index(after: colon)...]
      guard let number = Int(port), (1...65535).contains(number) else {
        throw refuse("\"\(port)\" is not a port")
      }
      guard colon != authority.startIndex else { throw refuse("it has no host") }
    }
    guard !authority.isEmpty else { throw refuse("it has no host") }
    base = String(text.reversed().drop { $0 == "/" }.reversed())
  }

  /// The URL of a path that starts with a slash.
  public func appending(path: String) -> String { base + path }

  /// The URL without its trailing slashes.
  public var description: String { base }
}
