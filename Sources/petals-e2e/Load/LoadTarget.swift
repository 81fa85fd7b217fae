import AsyncHTTPClient
import EthereumClient
import NIOCore
import NIOHTTP1
import OutgoingHTTP
import PlumiseWire

/// A service under load: what it is, and a client with as many connections as are allowed.
struct LoadTarget: Sendable {
  /// The service's address, without a slash at its end.
  let url: String
  let client: HTTPClient

  /// Runs a body with connections to a service, and closes them.
  static func with<R: Sendable>(
    _ url: String, connections: Int, _ body: (LoadTarget) async throws -> R
  ) async throws -> R {
    var configuration = HTTPClient.Configuration.singleAttempt()
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connections
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    let target = LoadTarget(url: url, client: client)
    let outcome: Result<R, any Error>
    do {
      outcome = .success(try await body(target))
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
    // The client's own time-out ends with the answer's head.
    return try await withDeadline(.seconds(60), "no whole answer came") { [client, message] in
      let response = try await client.execute(message, timeout: .seconds(60))
      let isStreamed =
        response.headers.first(name: "Content-Type")?.hasPrefix("text/event-stream") == true
      guard isStreamed else {
        return Answer(
          status: UInt(response.status.code), body: try await response.body.collect(upTo: 4 << 20))
      }
      var events = EventReader()
      for try await piece in response.body { events.take(piece) }
      return Answer(status: UInt(response.status.code), body: events.last, tokens: events.tokens)
    }
  }

  /// Reads server-sent events as a node streams them: one for each token, and a last one.
  private struct EventReader {
    /// What came behind the last whole event.
    private var rest = ByteBuffer()
    /// The data of the last whole event.
    private(set) var last = ByteBuffer()
    /// When each event of a token came.
    private(set) var tokens: [ContinuousClock.Instant] = []

    mutating func take(_ piece: ByteBuffer) {
      let now = ContinuousClock.now
      var piece = piece
      rest.writeBuffer(&piece)
      while let end = rest.readableBytesView.firstRange(of: Array("\n\n".utf8)) {
        let start = rest.readableBytesView.startIndex
        let length = rest.readableBytesView.distance(from: start, to: end.lowerBound)
        guard var event = rest.readSlice(length: length + 2) else { return }
        event.moveReaderIndex(forwardBy: min(event.readableBytes, Array("data: ".utf8).count))
        last = event
        if String(buffer: event).contains(#""is_finished":false"#) { tokens.append(now) }
      }
    }
  }

  /// Detects the kind of service that listens, and makes its workload.
  /// - Throws: `CommandFailure`: failed when nothing answers, wrong input for an unknown service.
  func workload(rate: Double, _ options: GenerationLoadOptions) async throws -> any Workload {
    do {
      let empty = LoadRequest(path: "", body: Array("{}".utf8))
      if try await isChain() { return try await ChainWorkload(client: EthereumClient(url: url)) }
      for dialect in ReportDialect.allCases {
        let answer = try await send(LoadRequest(path: dialect.path, body: empty.body))
        if ![404, 405].contains(answer.status) { return OracleWorkload(dialect, rate: rate) }
      }
      let answer = try await send(LoadRequest(path: NodeWorkload.path, body: empty.body))
      if ![404, 405].contains(answer.status) { return try NodeWorkload(options) }
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      try Task.checkCancellation()
      throw CommandFailure.failed("\(url) does not answer: \(error)")
    }
    throw CommandFailure.wrongInput(
      "\(url) is no chain, no oracle and no node's HTTP interface; see --target in the help")
  }

  private func isChain() async throws -> Bool {
    let question: JSON = ["jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []]
    let answer = try await send(LoadRequest(path: "/", body: question.serialized()))
    let body = try? JSON.parse(Array(answer.body.readableBytesView))
    return body?["result"]?.stringValue?.hasPrefix("0x") == true
  }
}
