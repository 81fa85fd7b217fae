import ArgumentParser
import AsyncHTTPClient
import EthereumClient
import NIOCore
import NIOHTTP1
import OutgoingHTTP
import PlumiseWire

/// `load`: steady traffic on a service, with a report of its latencies.
struct LoadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load",
    abstract: "Send requests at a steady rate and report how long the answers took.",
    discussion: """
      What is sent follows from what answers at the target: transfers to a chain, signed reports to
      an oracle (of either dialect), short generations to a node's HTTP interface. Latencies count
      from the moment at which a request was due. Ctrl-C ends it early, with the report.

      EXAMPLE
        petals-e2e load --target http://127.0.0.1:3100 --rate 500 --duration 10
      """)

  @Option(within: .serviceURL, help: "The service's URL.")
  var target: String

  @Option(
    within: RealNumbers("a rate", above: 0, upTo: 100_000), help: "Requests a second.")
  var rate = 100.0

  @Option(within: .positiveTime, help: "Seconds.")
  var duration = Seconds(whole: 10)

  @Option(
    within: WholeNumbers("a number of connections", 1...10_000),
    help: "The most connections at a time.")
  var connections = 64

  private static let maximumRequests = 10_000_000.0

  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard rate * duration.value <= Self.maximumRequests else {
      throw ValidationError(
        "--rate times --duration is the number of requests, which goes up to 10000000")
    }
  }

  func run() async throws {
    let signals = ShutdownSignals()
    let report = try await LoadTarget.with(target, connections: connections) { target in
      let workload = try await target.workload(rate: rate)
      let count = max(1, Int((rate * duration.value).rounded()))
      output.note("\(workload.name) to \(target.url), \(rate) a second")
      let bar = ProgressBar("sending", quiet: output.quiet)
      defer { bar.finish() }
      let run = LoadRun(target: target, workload: workload, rate: rate, count: count)
      let sending = Task { await run.run { bar.update($0) } }
      let stopping = Task {
        _ = try await signals.next()
        sending.cancel()
      }
      defer { stopping.cancel() }
      return await sending.value
    }
    output.result(report.json, text: report.text)
    if report.succeeded < report.sent {
      throw CommandFailure.failed(
        "\(report.sent - report.succeeded) of \(report.sent) requests failed")
    }
  }
}

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

  /// Detects the kind of service that listens, and makes its workload.
  /// - Throws: `CommandFailure`: failed when nothing answers, wrong input for an unknown service.
  func workload(rate: Double) async throws -> any Workload {
    do {
      let empty = LoadRequest(path: "", body: Array("{}".utf8))
      if try await isChain() { return try await ChainWorkload(client: EthereumClient(url: url)) }
      for dialect in ReportDialect.allCases {
        let answer = try await send(LoadRequest(path: dialect.path, body: empty.body))
        if ![404, 405].contains(answer.status) { return OracleWorkload(dialect, rate: rate) }
      }
      let answer = try await send(LoadRequest(path: NodeWorkload.path, body: empty.body))
      if ![404, 405].contains(answer.status) { return NodeWorkload() }
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
