public import HTTPTypes
import NIOCore
import NIOHTTP1
public import TextKeys

/// One HTTP request, whole: a service answers it the same way in process and over a socket.
public struct WebRequest: Sendable, Hashable {
  /// The method, as in the request line.
  public var method: HTTPRequest.Method
  /// The target as it stood in the request line, with its query.
  public var target: String
  /// The path without its query, as it stood in the request line, but for letters, digits and
  /// `-._~` that were percent-encoded: `/%68ealth` is `/health` (RFC 3986 §6.2.2.2).
  public var path: String
  /// The query's parameters, percent-decoded; of a repeated name the last one stands.
  public var query: TextDictionary<String>
  /// The header fields.
  public var headers: HTTPFields
  /// The body's bytes, exactly as sent.
  public var body: [UInt8]
  /// The peer's address (`127.0.0.1:51234`), or `nil` in process.
  public var remote: String?

  /// Makes a request.
  /// - Parameters:
  ///   - method: the method.
  ///   - target: the path, with its query if there is one (`/a/b?epoch=3`), also behind a scheme and
  ///     a host (`http://127.0.0.1:3100/a/b`, RFC 9112 §3.2.2).
  ///   - headers: the header fields.
  ///   - body: the body's bytes.
  ///   - remote: the peer's address, when there is one.
  public init(
    _ method: HTTPRequest.Method = .get, _ target: String, headers: HTTPFields = [:],
    body: [UInt8] = [], remote: String? = nil
  ) {
    self.method = method
    self.target = target
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
    return 256 + target.utf8.count + path.utf8.count + body.count + fields + parameters
  }

  /// Bytes part a target, not Characters: a combining mark makes no other sign of a "?".
  private static func split(_ target: String) -> (path: String, query: TextDictionary<String>) {
    let target = origin(target.utf8.prefix { $0 != UInt8(ascii: "#") })
    let mark = target.firstIndex(of: UInt8(ascii: "?"))
    let path = decodingUnreserved(target[..<(mark ?? target.endIndex)])
    var query: TextDictionary<String> = [:]
    if let mark {
      for pair in target[mark...].dropFirst().split(separator: UInt8(ascii: "&")) {
        let parts = pair.split(
          separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
        query[PercentEncoding.decodeForm(parts[0])] =
          parts.count == 2 ? PercentEncoding.decodeForm(parts[1]) : ""
      }
    }
    return (path.isEmpty ? "/" : path, query)
  }

  /// The part of a target behind its scheme and host, if it has them.
  private static func origin(_ target: Substring.UTF8View) -> Substring.UTF8View {
    for scheme in ["http://", "https://"] {
      let start = target.prefix(scheme.utf8.count)
      guard start.elementsEqual(scheme.utf8, by: { $0 | 0x20 == $1 | 0x20 }) else { continue }
      return target.dropFirst(scheme.utf8.count)
        .drop { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }
    }
    return target
  }

  /// A path with those escapes read that stand for characters which need none.
  private static func decodingUnreserved(_ path: Substring.UTF8View) -> String {
    guard path.contains(UInt8(ascii: "%")) else { return String(Substring(path)) }
    var bytes: [UInt8] = []
    var rest = path
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), let value = PercentEncoding.escaped(rest), value.isUnreserved {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// One HTTP response; the server adds `Content-Length`, or what frames a stream.
public struct WebResponse: Sendable, Hashable {
  /// The status.
  public var status: HTTPResponse.Status
  /// The header fields.
  public var headers: HTTPFields
  /// The body's bytes.
  public var body: [UInt8]
  /// Writes the body in place of ``body``; nil for one that is there whole.
  public var stream: WebStream?

  /// Makes a response.
  public init(
    status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], body: [UInt8] = []
  ) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// A response whose body is JSON text, already serialised.
  public static func json(
    _ body: [UInt8], status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
  ) -> WebResponse {
    var headers = headers
    headers[.contentType] = "application/json"
    return WebResponse(status: status, headers: headers, body: body)
  }

  /// A response whose body is plain text.
  public static func text(
    _ text: String, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
  ) -> WebResponse {
    var headers = headers
    headers[.contentType] = "text/plain; charset=utf-8"
    return WebResponse(status: status, headers: headers, body: Array(text.utf8))
  }
}

extension HTTPRequestHead {
  /// Whether the head says which host is asked: exactly once, and empty at worst, as HTTP/1.1 demands;
  /// at most once before (RFC 9112 §3.2).
  var namesOneHost: Bool {
    let hosts = headers["host"]
    guard hosts.count == 1 || (hosts.isEmpty && !isOfVersion11) else { return false }
    return hosts.allSatisfy { $0.utf8.allSatisfy(\.mayStandInHost) }
  }

  /// Whether the request is of HTTP/1.1, or of a later version that is read like it.
  var isOfVersion11: Bool { version.minor >= 1 }

  /// Whether a request may follow this one on its connection: not before HTTP/1.1, where the client
  /// would have to be told that the connection goes on.
  var letsConnectionGoOn: Bool { isKeepAlive && isOfVersion11 }

  /// Whether the client waits for 100 before it sends the body (RFC 9110 §10.1.1).
  var expectsContinue: Bool {
    isOfVersion11 && headers["expect"].contains { $0.lowercased() == "100-continue" }
  }

  /// Whether the connection is to become one of another protocol.
  var asksForAnotherProtocol: Bool {
    method == .CONNECT || headers.contains(name: "upgrade")
  }
}

extension UInt8 {
  /// Whether the byte may stand in a host and its port (RFC 3986 §3.2.2 and §3.2.3).
  fileprivate var mayStandInHost: Bool {
    switch self {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "a")...UInt8(ascii: "z"):
      true
    default: "-._~!$&'()*+,;=:[]%".utf8.contains(self)
    }
  }
}

extension HTTPFields {
  /// Header fields as they came; one whose name is none is left out.
  init(_ headers: HTTPHeaders) {
    self.init()
    reserveCapacity(headers.count)
    for (name, value) in headers {
      guard let name = HTTPField.Name(name) else { continue }
      append(HTTPField(name: name, value: value))
    }
  }
}

extension WebResponse {
  /// The response as it is written, when its body is there whole.
  /// - Parameters:
  ///   - isHead: whether it answers a HEAD request, and has no body for it.
  ///   - isKeptAlive: whether the connection goes on.
  func parts(isHead: Bool, isKeptAlive: Bool) -> (head: HTTPResponseHead, body: ByteBuffer?) {
    let hasBody = !body.isEmpty && !isHead && allowsBody
    return (
      head(isKeptAlive: isKeptAlive, isChunked: false), hasBody ? ByteBuffer(bytes: body) : nil
    )
  }

  /// The response's head.
  /// - Parameters:
  ///   - isKeptAlive: whether the connection goes on.
  ///   - isChunked: whether a stream is sent in chunks.
  func head(isKeptAlive: Bool, isChunked: Bool) -> HTTPResponseHead {
    var fields = HTTPHeaders()
    fields.reserveCapacity(headers.count + 2)
    for field in headers { fields.add(name: field.name.rawName, value: field.value) }
    fields.remove(name: "Transfer-Encoding")
    if stream != nil && allowsBody {
      fields.remove(name: "Content-Length")
      if isChunked { fields.add(name: "Transfer-Encoding", value: "chunked") }
    } else if allowsBody {
      fields.replaceOrAdd(name: "Content-Length", value: "\(body.count)")
    } else if fields["Content-Length"] != ["0"] {
      fields.remove(name: "Content-Length")
    }
    if !isKeptAlive { fields.replaceOrAdd(name: "Connection", value: "close") }
    return HTTPResponseHead(
      version: .http1_1,
      status: HTTPResponseStatus(statusCode: status.code, reasonPhrase: status.reasonPhrase),
      headers: fields)
  }

  /// Whether the body is written piece by piece.
  var isStreamed: Bool { stream != nil && allowsBody }

  /// Whether the response asks for the connection's end.
  var endsConnection: Bool { headers[.connection]?.lowercased() == "close" }

  /// Whether a response of its status has a body at all (RFC 9110 §6.4.1).
  var allowsBody: Bool {
    status.kind != .informational && status != .noContent && status != .notModified
  }
}
