import AsyncHTTPClient
import EthereumPrimitives
import HTTPTypes
import MockOracle
import MockServing
import NIOCore
import PlumiseWire
import Synchronization

/// What was answered, with its body read as JSON.
struct Answer: Equatable {
  let status: Int
  let body: JSON?

  init(_ response: WebResponse) {
    status = response.status.code
    // A body that is no JSON is nil, and equal to no expectation.
    body = try? JSON.parse(response.body)
  }

  init(status: Int, body: JSON) {
    self.status = status
    self.body = body
  }

  var message: String? { body?["message"]?.stringValue }
  var messages: [String]? { body?["message"]?.arrayValue?.compactMap(\.stringValue) }
}

extension MockOracle {
  /// Posts a body in process.
  func post(
    _ body: [UInt8], to path: String = ReportDialect.documented.path, headers: HTTPFields = [:]
  ) async -> Answer {
    Answer(await respond(to: WebRequest(.post, path, headers: headers, body: body)))
  }

  /// Posts JSON in process.
  func post(_ body: JSON, to path: String = ReportDialect.documented.path) async -> Answer {
    await post(body.serialized(), to: path)
  }

  /// Reads a path in process.
  func get(_ path: String) async -> Answer { Answer(await respond(to: WebRequest(.get, path))) }
}

/// A time of day that a test sets.
final class TestTime: Sendable {
  private let value: Mutex<Int64>

  init(_ seconds: Int64) { value = Mutex(seconds) }

  var seconds: Int64 {
    get { value.withLock { $0 } }
    set { value.withLock { $0 = newValue } }
  }

  var clock: UnixClock { UnixClock { .seconds(self.seconds) } }
}

/// A signed documented report whose payload a test can change before it is signed.
func signedReport(
  by key: SecretKey, tokens: Int64 = 600, timestamp: Int64 = 1_770_200_000,
  change: (inout JSONObject) -> Void = { _ in }
) throws -> JSON {
  let payload = try DocumentedReport.Payload(
    agent: key.address, processedTokens: tokens, averageLatencyMilliseconds: 100,
    uptimeSeconds: 60, tasksCompleted: 3, timestamp: timestamp)
  var object = payload.json.objectValue ?? JSONObject()
  change(&object)
  let signature = SignedText(canonical: .object(object)).signature(by: key)
  return ["payload": .object(object), "signature": .string(signature.hex)]
}

/// A signed deployed report whose body a test can change after it is signed.
func deployedReport(
  by key: SecretKey, tokens: Int64 = 600, requests: Int64 = 3, latency: Double = 100,
  timestamp: Int64 = 1_770_200_000, change: (inout JSONObject) -> Void = { _ in }
) throws -> JSON {
  let measures = try ReportMeasures(
    agent: key.address, processedTokens: tokens, averageLatencyMilliseconds: latency,
    uptimeSeconds: 60, tasksCompleted: requests, timestamp: timestamp)
  var object =
    DeployedReport.Payload(measures).signed(with: key).body.objectValue ?? JSONObject()
  change(&object)
  return .object(object)
}

/// A key that every test may use; each test has an oracle of its own.
func testKey(_ number: UInt8 = 1) throws -> SecretKey {
  try SecretKey(bytes: [UInt8](repeating: number, count: 32))
}

/// Sends one request over HTTP and reads the whole answer.
func fetch(
  _ url: String, _ method: String = "GET", body: [UInt8]? = nil, client: HTTPClient = .shared
) async throws -> (status: Int, body: [UInt8], retryAfter: String?) {
  var request = HTTPClientRequest(url: url)
  request.method = .init(rawValue: method)
  if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
  let response = try await client.execute(request, timeout: .seconds(60))
  let collected = try await response.body.collect(upTo: 1 << 24)
  return (
    Int(response.status.code), Array(collected.readableBytesView),
    response.headers.first(name: "Retry-After")
  )
}

/// Fetches through a client of its own, which has no connection left from an earlier request.
func fetchOnce(_ url: String) async throws -> (status: Int, body: [UInt8], retryAfter: String?) {
  let client = HTTPClient(eventLoopGroupProvider: .singleton)
  do {
    let answer = try await fetch(url, client: client)
    try await client.shutdown()
    return answer
  } catch {
    try await client.shutdown()
    throw error
  }
}
