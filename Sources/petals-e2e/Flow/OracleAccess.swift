import AsyncHTTPClient
import EthereumPrimitives
import Foundation
import NIOCore
import NIOHTTP1
import PlumiseWire

/// What this command asks an oracle.
struct OracleAccess: Sendable {
  let url: String

  /// - Throws: unless the oracle says that it serves.
  func requireReady() async throws {
    let (status, _) = try await get("\(url)/ready")
    guard status == .ok else {
      throw CommandFailure.failed("\(url)/ready answered \(status.code)")
    }
  }

  /// The tokens that the oracle stored for an agent.
  func tokensProcessed(by agent: Address) async throws -> Int64 {
    let route = "\(url)/api/v1/agents/\(agent.lowercaseHex)"
    let (status, body) = try await get(route)
    guard status == .ok, let answer = try? JSON.parse(Array(body.readableBytesView)),
      let tokens = answer["processed_tokens"]?.integerValue
    else {
      throw CommandFailure.failed(
        "\(route) answered \(status.code): \(String(buffer: body).prefix(200))")
    }
    return tokens
  }

  /// A whole answer within ten seconds: the client's own time-out ends with the answer's head.
  private func get(_ url: String) async throws -> (HTTPResponseStatus, ByteBuffer) {
    try await withDeadline(.seconds(10), "\(url) gave no whole answer") {
      let response = try await HTTPClient.shared.execute(
        HTTPClientRequest(url: url), timeout: .seconds(10))
      return (response.status, try await response.body.collect(upTo: 1 << 20))
    }
  }
}
