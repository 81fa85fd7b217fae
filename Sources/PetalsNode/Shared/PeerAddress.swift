/// Where a node's gRPC service listens.
public struct PeerAddress: Hashable, Sendable, CustomStringConvertible {
  /// A name, or an address in digits, without brackets.
  public let host: String
  /// 1 to 65535.
  public let port: Int

  /// An address by its parts.
  ///
  /// - Throws: ``PeerAddressError``.
  public init(host: String, port: Int) throws(PeerAddressError) {
    guard !host.isEmpty, !host.contains(where: \.isWhitespace), (1...65535).contains(port) else {
      throw PeerAddressError(text: "\(host):\(port)")
    }
    self.host = host
    self.port = port
  }

  /// Reads `host:port`, or `[address]:port` for an address with colons.
  ///
  /// - Throws: ``PeerAddressError``.
  public init(parsing text: some StringProtocol) throws(PeerAddressError) {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...])
    else { throw PeerAddressError(text: String(text)) }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      throw PeerAddressError(text: String(text))
    }
    try self.init(host: String(host), port: port)
  }

  /// Reads several, with commas between them.
  ///
  /// - Throws: ``PeerAddressError`` for the first that is none.
  public static func list(parsing text: String) throws(PeerAddressError) -> [PeerAddress] {
    var peers: [PeerAddress] = []
    for part in text.split(separator: ",") { peers.append(try PeerAddress(parsing: part)) }
    guard !peers.isEmpty else { throw PeerAddressError(text: text) }
    return peers
  }

  /// `host:port`.
  public var description: String {
    host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}

/// Text that names no peer.
public struct PeerAddressError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was given.
  public let text: String

  /// One line that says what is expected.
  public var description: String {
    "\"\(text)\" is no peer: write host:port with a port from 1 to 65535"
  }
}
