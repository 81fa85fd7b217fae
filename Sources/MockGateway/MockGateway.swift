import AsyncPrimitives
public import EthereumPrimitives
import HTTPTypes
import JSONValues
import Logging
public import MockServing
import PlumiseWire
import Synchronization

/// A gateway between the clients of a network and its nodes: it finds nodes at the oracle, chooses one
/// for each request, and posts to the oracle what they did.
///
/// It does what the real gateway does, in the ``GatewayProfile`` of its configuration; relay agents,
/// which connect to the real one by WebSocket, are not served. A test reads in ``journal`` which nodes
/// a request was tried at, and why one failed.
public final class MockGateway: Sendable {
  /// What it asks, and when.
  public let configuration: GatewayConfiguration
  /// The latest chats that were answered.
  public let journal: Journal<GatewayEntry>
  /// The totals that were posted to the oracle.
  public let posts: Journal<GatewayPost>
  let client: NodeClient
  let watch: Stopwatch
  let nodeTable: Mutex<GatewayNodes>
  private let refused = Mutex<Set<String>>([])
  let totals = Mutex(WalletTotals())
  let lastID = Mutex<UInt64>(0)
  /// The longest body that is read.
  static let longestBody = 1 << 20

  /// Makes a gateway that knows no node yet.
  public init(_ configuration: GatewayConfiguration) {
    self.configuration = configuration
    journal = Journal(
      capacity: configuration.journalCapacity, byteLimit: configuration.journalByteLimit
    ) { $0.byteCount }
    posts = Journal(capacity: configuration.journalCapacity)
    client = NodeClient(clock: configuration.clock, client: configuration.client)
    watch = Stopwatch(configuration.clock)
    nodeTable = Mutex(GatewayNodes(seed: configuration.seed))
  }

  /// The nodes that the gateway knows, by URL.
  public var nodes: [GatewayNode] { nodeTable.withLock { $0.all } }

  /// The base URLs of the nodes that the oracle listed last and the gateway refuses, because they are on
  /// loopback addresses (``GatewayConfiguration/allowsLoopback``).
  public var refusedURLs: [String] { refused.withLock { $0.sorted() } }

  /// Asks the oracle for nodes, and each node for its health, now.
  ///
  /// An oracle that cannot be asked changes nothing; the log says why.
  public func refresh() async {
    let limit = configuration.oracleTimeout
    let model = PercentEncoding.encodeComponent(configuration.defaultModel)
    async let topology = ask("/api/v1/pipeline/topology?model=\(model)", within: limit)
    async let registered = ask("/api/nodes", within: limit)
    async let capacity = ask("/api/v1/metrics/capacity", within: limit)
    let (rows, others, benchmarks) = await (topology, registered, capacity)
    if rows != nil || others != nil {
      let found = OracleListing.nodes(
        topology: rows, registered: others, capacity: benchmarks,
        allowsLoopback: configuration.allowsLoopback)
      nodeTable.withLock { $0.replace(with: found.usable) }
      refused.withLock { $0 = Set(found.refused.map(\.url)) }
    }
    await withTaskGroup { group in
      for node in nodes { group.addTask { await self.checkHealth(of: node) } }
    }
  }

  private func ask(_ path: String, within limit: Duration) async -> JSON? {
    do {
      return try await client.call(configuration.oracleURL + path, within: limit)
    } catch {
      configuration.logger.warning("the oracle gives no answer", metadata: ["error": "\(error)"])
      return nil
    }
  }

  private func checkHealth(of node: GatewayNode) async {
    do {
      let health = try await client.call(
        node.url + "/health", within: configuration.healthTimeout)
      let mode: GatewayNodeMode = health["mode"]?.stringValue == "pipeline" ? .pipeline : .openAI
      nodeTable.withLock { $0.isHealthy(node.url, mode: mode) }
    } catch is CancellationError {
      return
    } catch {
      nodeTable.withLock { $0.fail(node.url, at: watch.elapsed) }
      configuration.logger.notice("a node is not healthy", metadata: ["error": "\(error)"])
    }
  }

  /// Posts to the oracle, now, what each wallet has done since it was first used.
  ///
  /// Without a key in the configuration nothing is posted.
  public func postMetrics() async {
    guard let key = configuration.apiKey else { return }
    let (time, timestamp) = (watch.elapsed, configuration.unixClock.seconds)
    let records = totals.withLock { $0.current(at: time, idleTime: configuration.idleTime) }
    for record in records {
      var failure: String?
      do {
        _ = try await client.call(
          configuration.oracleURL + DeployedReport.keyedPath,
          body: record.report(at: time, timestamp: timestamp), headers: [("x-api-key", key)],
          within: configuration.oracleTimeout)
      } catch is CancellationError {
        return
      } catch {
        failure = "\(error)"
        configuration.logger.warning("totals are not posted", metadata: ["error": "\(error)"])
      }
      posts.record(
        GatewayPost(
          address: record.address, processedTokens: record.tokens, requestCount: record.requests,
          failure: failure))
    }
  }

  /// Serves the gateway over HTTP while a body runs, and stops gracefully after it.
  ///
  /// It looks for nodes before `body` is called, and again at each interval of its configuration.
  /// - Parameters:
  ///   - host: where to listen.
  ///   - port: where to listen; 0 takes any free port, and the real gateway's is 3200.
  ///   - isolation: the actor that `body` runs on; the caller's.
  ///   - faults: what goes wrong, and with which requests.
  ///   - graceClock: what the grace period of the end is measured on.
  ///   - body: what is done while the gateway runs.
  /// - Throws: `ServingError` when it cannot listen, and whatever `body` throws.
  public func withServer<R: Sendable>(
    host: String = "127.0.0.1", port: Int = 0, isolation: isolated (any Actor)? = #isolation,
    faults: FaultScript? = nil, graceClock: any Clock<Duration> = ContinuousClock(),
    _ body: (ServerAddress) async throws -> R
  ) async throws -> R {
    let server = ServerConfiguration(
      host: host, port: port, maximumBodyBytes: Self.longestBody, oversizedBody: .handOver,
      serviceName: "gateway", graceClock: graceClock, limits: configuration.limits,
      errorResponse: { error in
        var answer = ChatAnswer.error(error.status, error.description)
        answer.headers[.connection] = "close"
        return answer
      }, logger: configuration.logger)
    return try await withWebServer(
      server, faults: faults, respond: { await self.respond(to: $0) }
    ) { address in
      await refresh()
      let scope = TaskScope(on: configuration.clock.monitor)
      let configuration = configuration
      scope.spawn { await self.repeatedly(configuration.refreshInterval) { await self.refresh() } }
      scope.spawn {
        await self.repeatedly(configuration.metricsInterval) { await self.postMetrics() }
      }
      do {
        let result = try await body(address)
        scope.cancel()
        await scope.wait()
        return result
      } catch {
        scope.cancel()
        await scope.wait()
        throw error
      }
    }
  }

  private func repeatedly(_ interval: Duration, _ work: () async -> Void) async {
    while !Task.isCancelled {
      do { try await configuration.clock.sleep(for: interval) } catch { return }
      await work()
    }
  }

  /// Answers one request.
  public func respond(to request: WebRequest) async -> WebResponse {
    let routes: [String: HTTPRequest.Method] = [
      "/health": .get, "/v1/models": .get, "/v1/chat/completions": .post,
    ]
    guard let method = routes[request.path] else {
      return ChatAnswer.error(.notFound, "there is no \(request.path) here")
    }
    guard request.method == method || method == .get && request.method == .head else {
      var answer = ChatAnswer.error(.methodNotAllowed, "send \(method.rawValue) to \(request.path)")
      answer.headers[.allow] = method.rawValue
      return answer
    }
    switch request.path {
    case "/health":
      let (nodes, time) = (nodes, watch.elapsed)
      return .json(
        ([
          "status": "ok", "nodes": .integer(nodes.count),
          "online": .integer(nodes.count { GatewayNodes.isOnline($0, at: time) }),
          "refused": .integer(refusedURLs.count),
        ] as JSON).serialized())
    case "/v1/models":
      return .json(ChatAnswer.models(configuration.models).serialized())
    default: return answerChat(request)
    }
  }
}

/// Totals of a wallet that were posted to the oracle.
public struct GatewayPost: Sendable, Hashable {
  /// The wallet.
  public let address: Address
  /// Tokens since the gateway first used it, those of prompts estimated.
  public let processedTokens: Int64
  /// Requests since then.
  public let requestCount: Int64
  /// Why the oracle did not take them; nil when it did.
  public let failure: String?
}
