public import HTTPTypes

/// One HTTP response, whole; the server adds `Content-Length`.
public struct WebResponse: Sendable, Hashable {
  /// The status.
  public var status: HTTPResponse.Status
  /// The header fields.
  public var headers: HTTPFields
  /// The body's bytes.
  public var body: [UInt8]

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
