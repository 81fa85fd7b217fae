import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NetworkWatch
import PlumiseWire

/// Orders to the services of a network, over HTTP.
enum ServiceRequest {
  /// Sends a request with a body of JSON, if there is one, and reads the answer.
  /// - Throws: ``OrderRefusal`` in the service's words when it refuses.
  @discardableResult
  static func send(_ method: HTTPMethod, _ url: String, _ body: JSON? = nil) async throws -> JSON {
    var request = HTTPClientRequest(url: url)
    request.method = method
    if let body {
      request.headers.add(name: "Content-Type", value: "application/json")
      request.body = .bytes(ByteBuffer(bytes: body.serialized()))
    }
    let sent = request
    let (status, answer) = try await withDeadline(.seconds(10), "\(url) gave no whole answer") {
      let response = try await HTTPClient.shared.execute(sent, timeout: .seconds(10))
      let body = try await response.body.collect(upTo: 1 << 20)
      return (response.status.code, try JSON.parse(Array(body.readableBytesView)))
    }
    guard (200..<300).contains(status) else {
      throw OrderRefusal(answer["error"]?.stringValue ?? "\(url) answered \(status)")
    }
    return answer
  }

  /// Calls a method of the chain.
  /// - Throws: ``OrderRefusal`` in the chain's words when it refuses.
  @discardableResult
  static func call(_ url: String, _ method: String, _ parameters: [JSON] = []) async throws -> JSON
  {
    let request = RPCRequest(id: 1, method: method, params: parameters)
    let answer = try await send(.POST, url, request.json)
    if let message = answer["error"]?["message"]?.stringValue { throw OrderRefusal(message) }
    return answer["result"] ?? .null
  }
}
