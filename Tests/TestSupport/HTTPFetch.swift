package import AsyncHTTPClient
import NIOCore
import NIOHTTP1
package import PlumiseWire

/// What a server answered a request of a test.
package struct FetchedAnswer: Sendable {
  package let status: Int
  package let body: [UInt8]
  /// The field `Content-Type`.
  package let contentType: String?
  /// The field `Retry-After`.
  package let retryAfter: String?

  package var text: String { String(decoding: body, as: UTF8.self) }

  /// The body as JSON; an error where it is none.
  package var json: JSON { get throws { try JSON.parse(body) } }
}

/// Sends one request over HTTP and reads the whole answer.
package func fetch(
  _ url: String, _ method: String = "GET", body: [UInt8]? = nil, contentType: String? = nil,
  authorization: String? = nil, client: HTTPClient = .shared
) async throws -> FetchedAnswer {
  var request = HTTPClientRequest(url: url)
  request.method = .init(rawValue: method)
  if let contentType { request.headers.add(name: "Content-Type", value: contentType) }
  if let authorization { request.headers.add(name: "Authorization", value: authorization) }
  if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
  let response = try await client.execute(request, timeout: .seconds(60))
  let collected = try await response.body.collect(upTo: 1 << 24)
  return FetchedAnswer(
    status: Int(response.status.code), body: Array(collected.readableBytesView),
    contentType: response.headers.first(name: "Content-Type"),
    retryAfter: response.headers.first(name: "Retry-After"))
}

/// Sends one request with a body of JSON and reads the whole answer.
package func fetch(
  _ url: String, _ method: String = "POST", json: JSON
) async throws -> FetchedAnswer {
  try await fetch(url, method, body: json.serialized())
}

/// Calls a method of a JSON-RPC server and reads the whole answer.
package func fetchRPC(
  _ url: String, _ method: String, _ parameters: [JSON] = []
) async throws -> FetchedAnswer {
  try await fetch(
    url, "POST", body: RPCRequest(id: 1, method: method, params: parameters).json.serialized(),
    contentType: "application/json")
}

/// Fetches through a client of its own, which has no connection left from an earlier request.
package func fetchOnce(_ url: String) async throws -> FetchedAnswer {
  try await withClient { try await fetch(url, client: $0) }
}

/// Fetches so many times at once, each over a connection of its own.
package func fetch(_ url: String, times count: Int) async throws -> [FetchedAnswer] {
  var configuration = HTTPClient.Configuration()
  configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = count
  return try await withClient(configuration) { client in
    try await withThrowingTaskGroup(of: FetchedAnswer.self) { group in
      for _ in 0..<count { group.addTask { try await fetch(url, client: client) } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
  }
}

private func withClient<R>(
  _ configuration: HTTPClient.Configuration = .init(), _ body: (HTTPClient) async throws -> R
) async throws -> R {
  let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  do {
    let result = try await body(client)
    try await client.shutdown()
    return result
  } catch {
    try await client.shutdown()
    throw error
  }
}
