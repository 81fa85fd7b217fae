import AsyncHTTPClient
import NIOCore
import PetalsNode
import PlumiseWire
import Testing

/// What a node's HTTP API answers a request for text.
struct GeneratedAnswer: Sendable {
  let status: Int
  let text: String

  var json: JSON { get throws { try JSON.parse(text) } }

  /// Asks a node for text.
  /// - Parameter body: JSON.
  init(from node: PetalsNode, to body: String) async throws {
    let address = try #require(node.httpAddress)
    var request = HTTPClientRequest(url: "http://\(address)/api/v1/generate")
    request.method = .POST
    request.body = .bytes(ByteBuffer(string: body))
    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
    status = Int(response.status.code)
    text = String(buffer: try await response.body.collect(upTo: 1 << 24))
  }
}
