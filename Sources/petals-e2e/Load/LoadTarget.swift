import AsyncHTTPClient
import EthereumClient
import NIOCore
import NIOHTTP1
import OutgoingHTTP
import PlumiseWire

/// A service under load: where it is, and a client with as many connections as are allowed.
struct LoadTarget: Sendable {
  /// The service's address, without a slash at its end.
  let url: String
  let client: HTTPClient
  /// How long a whole answer may take.
  let timeout: Duration

  /// Runs a body with connections to services, and closes them.
  static func with<R: Sendable>(
    _ urls: [String], connections: Int, timeout: Duration, _ body: ([LoadTarget]) async throws -> R
  ) async throws -> R {
    var configuration = HTTPClient.Configuration.singleAttempt(
      read: .nanoseconds(Int64(min(1e18, 2 * (timeout / .nanoseconds(1))))))
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connections
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    let outcome: Result<R, any Error>
    do {
      outcome = .success(
        try await body(urls.map { LoadTarget(url: $0, client: client, timeout: timeout) }))
    } catch {
      outcome = .failure(error)
    }
    try await client.shutdown()
    return try outcome.get()
  }

  /// An answer, whole, and when each of its tokens came where they are streamed.
  struct Answer: Sendable {
    let status: UInt
    /// The body; of a streamed one the last event.
    let body: ByteBuffer
    var tokens: [ContinuousClock.Instant] = []
  }

  /// Sends a request and reads the whole answer.
  func send(_ request: LoadRequest) async throws -> Answer {
    var message = HTTPClientRequest(url: url + request.path)
    message.method = .POST
    message.headers.add(name: "Content-Type", value: "application/json")
    message.body = .bytes(ByteBuffer(bytes: request.body))
    return try await answer(to: message)
  }

  private func answer(to message: HTTPClientRequest) async throws -> Answer {
    // The client's own time-out ends with the answer's head.
    let limit = TimeAmount.nanoseconds(Int64(min(1e18, timeout / .nanoseconds(1))))
    return try await withDeadline(timeout, "no whole answer came") { [client, message] in
      let response = try await client.execute(message, timeout: limit)
      let isStreamed =
        response.headers.first(name: "Content-Type")?.hasPrefix("text/event-stream") == true
      guard isStreamed else {
        return Answer(
          status: UInt(response.status.code), body: try await response.body.collect(upTo: 4 << 20))
      }
      var events = TokenEventReader()
      for try await piece in response.body { try events.take(piece) }
      return Answer(status: UInt(response.status.code), body: events.last, tokens: events.tokens)
    }
  }

  /// What kind of service answers at a target, as far as its workload depends on it.
  enum Service: Sendable {
    case chain
    case oracle(ReportDialect)
    case node
    case gateway(model: String)
  }

  /// Detects the kind of service that listens.
  /// - Throws: `CommandFailure`: failed when nothing answers, wrong input for an unknown service.
  func detect() async throws -> Service {
    do {
      if try await isChain() { return .chain }
      for dialect in ReportDialect.allCases {
        if try await hasRoute(dialect.path) { return .oracle(dialect) }
      }
      if try await hasRoute(NodeWorkload.path) { return .node }
      if try await hasRoute(GatewayWorkload.path) { return .gateway(model: try await firstModel()) }
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      try Task.checkCancellation()
      throw CommandFailure.failed("\(url) does not answer: \(error)")
    }
    throw CommandFailure.wrongInput(
      "\(url) is no chain, no oracle, no gateway and no node's HTTP interface; "
        + "see --target in the help")
  }

  /// Makes what the service is sent.
  /// - Parameters:
  ///   - rate: Requests a second, at most.
  ///   - chainURL: Where the agents of reports are registered.
  /// - Throws: `CommandFailure` (wrong input) for what the options name and cannot be used.
  func workload(
    for service: Service, rate: Double, _ options: GenerationLoadOptions, seed: UInt64,
    chainURL: String?
  ) async throws -> any Workload {
    switch service {
    case .chain: try await ChainWorkload(client: EthereumClient(url: url))
    case .oracle(let dialect):
      try await OracleWorkload(dialect, rate: rate, registeredOn: chainURL)
    case .node: try NodeWorkload(options, seed: seed)
    case .gateway(let model): try GatewayWorkload(model: model, options, seed: seed)
    }
  }

  /// Whether something is posted to at a path: an empty object is refused there for what it lacks.
  private func hasRoute(_ path: String) async throws -> Bool {
    let answer = try await send(LoadRequest(path: path, body: Array("{}".utf8)))
    return ![404, 405].contains(answer.status)
  }

  private func isChain() async throws -> Bool {
    let question: JSON = ["jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []]
    let answer = try await send(LoadRequest(path: "/", body: question.serialized()))
    let body = try? JSON.parse(Array(answer.body.readableBytesView))
    return body?["result"]?.stringValue?.hasPrefix("0x") == true
  }

  /// The first model that a gateway lists.
  private func firstModel() async throws -> String {
    let answer = try await answer(to: HTTPClientRequest(url: url + "/v1/models"))
    let models = try? JSON.parse(Array(answer.body.readableBytesView))
    guard let model = models?["data"]?.arrayValue?.first?["id"]?.stringValue else {
      throw CommandFailure.failed("the gateway at \(url) lists no model to ask for")
    }
    return model
  }
}
