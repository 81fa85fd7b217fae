import AsyncHTTPClient
import AsyncPrimitives
import JSONValues
import NIOCore
import NIOHTTP1
import OutgoingHTTP
import PlumiseWire

/// Why a node, or an oracle, gave no answer.
struct CallFailure: Error, CustomStringConvertible {
  /// The status, when there was an answer.
  var status: Int?
  /// What the answer says is wrong.
  var reason: String?
  let description: String

  /// Whether the node refused the request for what it asks, as any other node would: a prompt that is
  /// too long, a number out of range.
  ///
  /// Who may ask, where, and how often is between gateway and node.
  var isRefusalOfRequest: Bool {
    guard let status, (400..<500).contains(status) else { return false }
    return ![401, 403, 404, 405, 407, 408, 429].contains(status)
  }

  /// What an answer says is wrong: of an agent's `detail`, or an error of another form; nil where it
  /// says nothing.
  static func reason(in body: [UInt8]) -> String? {
    guard let json = try? JSON.parse(body) else {
      let text = String(decoding: body, as: UTF8.self)
      return text.allSatisfy(\.isWhitespace) ? nil : text
    }
    for value in [json["message"], json["error"]?["message"], json["error"], json["detail"]] {
      if let text = value?.stringValue, !text.isEmpty { return text }
    }
    let details = (json["detail"]?.arrayValue ?? []).compactMap { detail -> String? in
      guard let message = detail["msg"]?.stringValue else { return nil }
      let field = detail["loc"]?.arrayValue?.last?.stringValue
      return (field.map { "\($0): " } ?? "") + message
    }
    return details.isEmpty ? nil : details.joined(separator: "; ")
  }
}

/// Nobody reads the stream any more.
struct ClientLeft: Error {}

/// The HTTP client of a gateway: for its oracle, and for nodes.
struct NodeClient: Sendable {
  /// The longest answer that is read whole.
  private static let longestAnswer = 8 << 20

  let clock: any Clock<Duration>
  private let client: HTTPClient

  /// - Parameters:
  ///   - clock: What time limits are measured on.
  ///   - client: Nil takes the one that all of the process share.
  init(clock: any Clock<Duration>, client: HTTPClient?) {
    self.clock = clock
    self.client = client ?? .singleAttempt
  }

  /// Asks, and reads the whole answer.
  /// - Throws: ``CallFailure`` when the URL cannot be asked, or there is no answer in time, or one that
  ///   is not 2xx, or that is not JSON; `CancellationError`.
  func call(
    _ url: String, body: JSON? = nil, headers: [(String, String)] = [], within limit: Duration
  ) async throws -> JSON {
    let message = body?.serialized() ?? []
    let bytes = try await withRequest(
      message, to: URLAuthority.address(in: url), within: limit, on: clock,
      orThrow: CallFailure(description: "\(url) did not answer within \(limit)")
    ) {
      let response = try await execute(url, message, headers)
      do {
        let body = try await response.body.collect(upTo: Self.longestAnswer)
        return Array(body.readableBytesView)
      } catch {
        try Task.checkCancellation()
        throw CallFailure(description: "\(url) broke off: \(error)")
      }
    }
    do { return try JSON.parse(bytes) } catch {
      throw CallFailure(description: "\(url) answered no JSON: \(error)")
    }
  }

  /// Asks, and hands over the chunks of the answer as they come.
  /// - Parameters:
  ///   - limit: how long the whole answer may take.
  ///   - receive: takes a chunk; it throws ``ClientLeft`` or ``CallFailure`` to end the stream.
  /// - Throws: ``CallFailure``, ``ClientLeft`` or `CancellationError`.
  func stream(
    _ url: String, body: JSON, within limit: Duration,
    _ receive: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws {
    let message = body.serialized()
    try await withRequest(
      message, to: URLAuthority.address(in: url), within: limit, on: clock,
      orThrow: CallFailure(description: "\(url) was not done within \(limit)")
    ) {
      let response = try await execute(url, message, [])
      do {
        for try await chunk in response.body { try await receive(Array(chunk.readableBytesView)) }
      } catch let error as ClientLeft {
        throw error
      } catch let error as CallFailure {
        throw error
      } catch {
        try Task.checkCancellation()
        throw CallFailure(description: "\(url) broke off: \(error)")
      }
    }
  }

  private func execute(
    _ url: String, _ body: [UInt8], _ headers: [(String, String)]
  ) async throws -> HTTPClientResponse {
    // Oracles list what nodes say of themselves.
    guard URLAuthority.hasPossiblePort(in: url) else {
      throw CallFailure(description: "\(url) cannot be asked: a port is 1 to 65535")
    }
    var request = HTTPClientRequest(url: url)
    request.headers.add(name: "Accept", value: "application/json, text/event-stream")
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    if !body.isEmpty {
      request.method = .POST
      request.headers.add(name: "Content-Type", value: "application/json")
      request.body = .bytes(ByteBuffer(bytes: body))
    }
    let response: HTTPClientResponse
    do {
      // The gateway's clock decides when it is over; the client's deadline is only a backstop.
      response = try await client.execute(request, timeout: .hours(1))
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      try Task.checkCancellation()
      throw CallFailure(description: "\(url) cannot be asked: \(error)")
    }
    guard (200..<300).contains(response.status.code) else {
      // The status says enough where the reason does not come, or is too long.
      let body = try? await response.body.collect(upTo: 1 << 16)
      throw CallFailure(
        status: Int(response.status.code),
        reason: body.flatMap { CallFailure.reason(in: Array($0.readableBytesView)) },
        description: "\(url) answered \(response.status.code)"
          + (body.map { ": \(String(buffer: $0).prefix(200))" } ?? ""))
    }
    return response
  }
}
