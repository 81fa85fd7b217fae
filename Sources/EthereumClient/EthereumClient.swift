package import AsyncPrimitives
public import PlumiseWire

/// A client of an Ethereum chain's JSON-RPC interface.
///
/// A value without state of its own: copies share the transport's connections. Errors are
/// ``ChainError``, or `CancellationError` when the task was cancelled.
public struct EthereumClient: Sendable {
  private let transport: any RPCTransport
  /// Where requests go to; nil for a chain in this process.
  private let destination: String?
  /// What time-outs and the pauses between polls are measured on.
  public let clock: any Clock<Duration>
  /// How long a single request may take.
  public let requestTimeout: Duration
  /// The retries when the chain cannot be reached.
  public let retries: RPCRetryPolicy
  private let random: @Sendable () -> Double
  /// What counts requests, on a clock that tests move.
  package let monitor: IdleMonitor?

  /// A client of any transport.
  /// - Parameters:
  ///   - transport: sends requests to the chain.
  ///   - clock: what time-outs, retries and polls are measured on.
  ///   - requestTimeout: how long a single request may take.
  ///   - retries: the retries when the chain cannot be reached; none by default.
  ///   - random: from 0 to 1: how much of the jitter the next delay between retries loses.
  public init(
    transport: any RPCTransport, clock: any Clock<Duration> = ContinuousClock(),
    requestTimeout: Duration = .seconds(30), retries: RPCRetryPolicy = .none,
    random: @escaping @Sendable () -> Double = { .random(in: 0...1) }
  ) {
    self.transport = transport
    destination = (transport as? HTTPTransport).flatMap { URLAuthority.address(in: $0.url) }
    self.clock = clock
    self.requestTimeout = requestTimeout
    self.retries = retries
    self.random = random
    monitor = clock.monitor
  }

  /// A client over HTTP.
  /// - Parameters:
  ///   - url: where the chain answers, as `http://127.0.0.1:26902`.
  ///   - clock: measures time-outs and the delays between attempts.
  ///   - requestTimeout: how long a request may take.
  ///   - retries: the answer to outages.
  ///   - random: 0 to 1, for the jitter of the delays.
  public init(
    url: String, clock: any Clock<Duration> = ContinuousClock(),
    requestTimeout: Duration = .seconds(30), retries: RPCRetryPolicy = .none,
    random: @escaping @Sendable () -> Double = { .random(in: 0...1) }
  ) {
    self.init(
      transport: HTTPTransport(url: url), clock: clock, requestTimeout: requestTimeout,
      retries: retries, random: random)
  }

  /// Returns the same client with another retry policy.
  public func retrying(_ policy: RPCRetryPolicy) -> EthereumClient {
    EthereumClient(
      transport: transport, clock: clock, requestTimeout: requestTimeout, retries: policy,
      random: random)
  }

  /// Makes one request.
  /// - Returns: the result.
  public func request(_ method: String, _ parameters: [JSON] = []) async throws -> JSON {
    let outcome = try await batch([(method, parameters)])
    return try outcome[0].get()
  }

  /// Makes several requests in one message.
  /// - Returns: their results in the same order.
  public func batch(
    _ requests: [(method: String, parameters: [JSON])]
  ) async throws -> [Result<JSON, ChainError>] {
    guard !requests.isEmpty else { return [] }
    let calls = requests.enumerated().map { index, request in
      RPCRequest(id: .integer(index + 1), method: request.method, params: request.parameters).json
    }
    let responses = try await send(
      calls.count == 1 ? calls[0] : .array(calls), method: requests[0].method)
    let byID = Dictionary(responses.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    return requests.enumerated().map { index, request in
      // An error about the whole message has no id.
      guard let response = byID[.integer(index + 1)] ?? byID[.null] else {
        return .failure(
          .malformedAnswer(method: request.method, reason: "the answer to the request is missing"))
      }
      return response.outcome.mapError { ChainError.answered($0, method: request.method) }
    }
  }

  private func send(_ message: JSON, method: String) async throws -> [RPCResponse] {
    let body = message.serialized()
    var failures = 0
    while true {
      do {
        return try await send(body, method: method)
      } catch let error as ChainError where error.code.isTransientOutage {
        failures += 1
        guard failures < retries.attempts else { throw error }
        try await clock.sleep(for: retries.backoff.delay(after: failures, random: random()))
      }
    }
  }

  private func send(_ body: [UInt8], method: String) async throws -> [RPCResponse] {
    let transport = transport
    do {
      let bytes = try await withRequest(
        body, to: destination, within: requestTimeout, on: clock,
        orThrow: ChainError.timedOut(
          waitingFor: "answer to \(method)", after: requestTimeout)
      ) { try await transport.send(body) }
      switch try RPCReply(bytes) {
      case .single(let response): return [response]
      case .batch(let responses): return responses
      }
    } catch let error as RPCReplyError {
      throw ChainError.malformedAnswer(method: method, reason: "\(error)", cause: error)
    }
  }
}
