import HTTPTypes
import NIOCore
import NIOHTTP1

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
  /// The response as it is written.
  /// - Parameters:
  ///   - isHead: whether it answers a HEAD request, and has no body for it.
  ///   - isKeptAlive: whether the connection goes on.
  func parts(isHead: Bool, isKeptAlive: Bool) -> (head: HTTPResponseHead, body: ByteBuffer?) {
    var fields = HTTPHeaders()
    fields.reserveCapacity(headers.count + 2)
    for field in headers { fields.add(name: field.name.rawName, value: field.value) }
    fields.remove(name: "Transfer-Encoding")
    if status.allowsBody {
      fields.replaceOrAdd(name: "Content-Length", value: "\(body.count)")
    } else if fields["Content-Length"] != ["0"] {
      fields.remove(name: "Content-Length")
    }
    if !isKeptAlive { fields.replaceOrAdd(name: "Connection", value: "close") }
    let head = HTTPResponseHead(
      version: .http1_1,
      status: HTTPResponseStatus(statusCode: status.code, reasonPhrase: status.reasonPhrase),
      headers: fields)
    let hasBody = !body.isEmpty && !isHead && status.allowsBody
    return (head, hasBody ? ByteBuffer(bytes: body) : nil)
  }
}

extension HTTPResponse.Status {
  /// Whether a response of this status has a body at all (RFC 9110 §6.4.1).
  fileprivate var allowsBody: Bool {
    kind != .informational && self != .noContent && self != .notModified
  }
}
