import AsyncHTTPClient
import EthereumClient
import NIOCore
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
    var configuration = HTTPClient.Configuration(
      redirectConfiguration: .disallow, timeout: .init(connect: .seconds(10)))
    configuration.httpVersion = .http1Only
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connections
    configuration.connectionPool.retryConnectionEstablishment = false
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

  /// Sends a request and reads the whole answer.
  func send(_ request: LoadRequest) async throws -> (status: UInt, body: ByteBuffer) {
    var message = HTTPClientRequest(url: url + request.path)
    message.method = .POST
    message.headers.add(name: "Content-Type", value: "application/json")
    message.body = .bytes(ByteBuffer(bytes: request.body))
    // The client's own time-out ends with the answer's head.
    return try await withDeadline(.seconds(60), "no whole answer came") { [client, message] in
      let response = try await client.execute(message, timeout: .seconds(60))
      return (response.status.code, try await response.body.collect(upTo: 4 << 20))
    }
  }

  /// Finds out what listens, and what to ask of it.
  /// - Throws: `CommandFailure`: failed when nothing answers, wrong input when nobody known does.
  func work(rate: Double) async throws -> any LoadWork {
    do {
      let empty = LoadRequest(path: "", body: Array("{}".utf8))
      if try await isChain() { return try await ChainLoad(client: EthereumClient(url: url)) }
      for dialect in ReportDialect.allCases {
        let answer = try await send(LoadRequest(path: dialect.path, body: empty.body))
        if ![404, 405].contains(answer.status) { return OracleLoad(dialect, rate: rate) }
      }
      let answer = try await send(LoadRequest(path: NodeLoad.path, body: empty.body))
      if ![404, 405].contains(answer.status) { return NodeLoad() }
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
