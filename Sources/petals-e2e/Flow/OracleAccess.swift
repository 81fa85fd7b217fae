import AsyncHTTPClient
import EthereumPrimitives
import Foundation
import PlumiseWire

/// What this command asks an oracle.
struct OracleAccess: Sendable {
  let url: String

  /// - Throws: unless the oracle says that it serves.
  func requireReady() async throws {
    let response = try await HTTPClient.shared.execute(
      HTTPClientRequest(url: "\(url)/ready"), timeout: .seconds(10))
    _ = try await response.body.collect(upTo: 1 << 20)
    guard response.status == .ok else {
      throw CommandFailure.failed("\(url)/ready answered \(response.status.code)")
    }
  }

  /// The tokens that the oracle stored for an agent.
  func tokensProcessed(by agent: Address) async throws -> Int64 {
    let route = "\(url)/api/v1/agents/\(agent.lowercaseHex)"
    let response = try await HTTPClient.shared.execute(
      HTTPClientRequest(url: route), timeout: .seconds(10))
    let body = try await response.body.collect(upTo: 1 << 20)
    guard response.status == .ok, let answer = try? JSON.parse(Array(body.readableBytesView)),
      let tokens = answer["processed_tokens"]?.integerValue
    else {
      throw CommandFailure.failed(
        "\(route) answered \(response.status.code): \(String(buffer: body).prefix(200))")
    }
    return tokens
  }
}
