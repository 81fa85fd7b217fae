public import HTTPTypes

/// One HTTP request, whole: a service answers it the same way in process and over a socket.
public struct WebRequest: Sendable, Hashable {
  /// The method, as in the request line.
  public var method: HTTPRequest.Method
  /// The path without its query, as it stood in the request line (not percent-decoded).
  public var path: String
  /// The query's parameters, percent-decoded; of a repeated name the last one stands.
  public var query: [String: String]
  /// The header fields.
  public var headers: HTTPFields
  /// The body's bytes, exactly as sent.
  public var body: [UInt8]
  /// The peer's address (`127.0.0.1:51234`), or `nil` in process.
  public var remote: String?

  /// Makes a request.
  /// - Parameters:
  ///   - method: the method.
  ///   - target: the path, with its query if there is one (`/a/b?epoch=3`).
  ///   - headers: the header fields.
  ///   - body: the body's bytes.
  ///   - remote: the peer's address, when there is one.
  public init(
    _ method: HTTPRequest.Method = .get, _ target: String, headers: HTTPFields = [:],
    body: [UInt8] = [], remote: String? = nil
  ) {
    self.method = method
    (path, query) = Self.split(target)
    self.headers = headers
    self.body = body
    self.remote = remote
  }

  /// About how many bytes of memory the request takes.
  public var byteCount: Int {
    let fields = headers.reduce(0) {
      $0 + $1.name.rawName.utf8.count + $1.value.utf8.count + 64
    }
    let parameters = query.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count + 64 }
    return 256 + path.utf8.count + body.count + fields + parameters
  }

  private static func split(_ target: String) -> (path: String, query: [String: String]) {
    let halves = target.prefix { $0 != "#" }.split(
      separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let path = halves.first.map(String.init) ?? ""
    var query: [String: String] = [:]
    if halves.count == 2 {
      for pair in halves[1].split(separator: "&") {
        let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        query[decode(parts[0])] = parts.count == 2 ? decode(parts[1]) : ""
      }
    }
    return (path.isEmpty ? "/" : path, query)
  }

  /// Percent-decodes one name or value; `+` is a space, an escape that is none stays as it is.
  private static func decode(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), rest.count >= 2,
        let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
      {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
