/// Where a server listens.
public struct ServerAddress: Sendable, Hashable, CustomStringConvertible {
  /// The host that the server was told to listen on.
  public let host: String
  /// The port it got: never 0.
  public let port: Int

  package init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  /// The base URL, without a trailing slash: `http://127.0.0.1:PORT`.
  public var url: String {
    // An IPv6 host needs brackets in a URL (RFC 3986 §3.2.2).
    host.contains(":") ? "http://[\(host)]:\(port)" : "http://\(host):\(port)"
  }

  /// The base URL.
  public var description: String { url }
}
