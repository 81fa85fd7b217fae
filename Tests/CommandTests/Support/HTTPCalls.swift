import AsyncHTTPClient
import NIOCore
import PlumiseWire

/// Sends one request to a service, and reads the whole answer.
func fetch(
  _ url: String, _ method: String = "GET", body: JSON? = nil
) async throws -> (status: Int, body: JSON?, retryAfter: String?) {
  var request = HTTPClientRequest(url: url)
  request.method = .init(rawValue: method)
  if let body { request.body = .bytes(ByteBuffer(bytes: body.serialized())) }
  let response = try await HTTPClient.shared.execute(request, timeout: .seconds(30))
  let bytes = try await response.body.collect(upTo: 1 << 24)
  return (
    // A body that is no JSON is nil.
    Int(response.status.code), try? JSON.parse(Array(bytes.readableBytesView)),
    response.headers.first(name: "Retry-After")
  )
}
