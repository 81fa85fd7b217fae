import AsyncPrimitives
public import EthereumPrimitives
package import JSONValues
import PlumiseWire

/// How a node is spoken to.
public enum GatewayNodeMode: String, Sendable, Hashable {
  /// Nothing is known yet.
  case unknown
  /// `POST /api/v1/generate`, as agents that stand in a pipeline.
  case pipeline
  /// `POST /v1/chat/completions`, as agents with all of a model.
  case openAI = "openai"
}

/// A node as the gateway knows it.
public struct GatewayNode: Sendable, Hashable {
  /// The wallet of the agent.
  public let address: Address
  /// The base URL of the node's HTTP API.
  public let url: String
  /// Its place in the pipeline; nil for a node that is in no topology.
  public let order: Int?
  /// Tokens a second, by its own measurement; 0 when it has said none.
  public let benchmark: Double
  /// How it is spoken to.
  public internal(set) var mode: GatewayNodeMode = .unknown
  /// How often in a row it failed to say how it is.
  public internal(set) var failures = 0
  /// Requests that it works on for this gateway.
  public internal(set) var inFlight = 0
  /// Until when it is left alone, on the gateway's clock since it began; nil for a node that is not.
  var offlineUntil: Duration?

  /// A node that was learnt about.
  package init(address: Address, url: String, order: Int?, benchmark: Double) {
    self.address = address
    self.url = url
    self.order = order
    self.benchmark = benchmark
  }

  /// Whether requests may begin here: a node in the middle of a pipeline only hands on.
  var mayBegin: Bool { mode != .pipeline || (order ?? 0) == 0 }

  /// How likely it is chosen: the square of its benchmark, over the requests that it works on.
  var weight: Double { max(benchmark, 1) * max(benchmark, 1) / Double(1 + inFlight) }
}

/// The nodes that a gateway knows, and which of them is asked: pure bookkeeping.
package struct GatewayNodes: Sendable {
  /// How many failures in a row take a node offline.
  package static let failureLimit = 3
  /// How long a node that is offline is left alone.
  package static let pause = Duration.seconds(30)
  /// The most nodes that one request is tried at.
  package static let mostTries = 5

  /// The nodes by URL: two agents behind one URL are one node.
  package private(set) var nodes: [String: GatewayNode] = [:]
  private var generator: SeededGenerator

  package init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  /// Replaces what is known by what the oracle said, and keeps how each node was found to be.
  package mutating func replace(with found: [GatewayNode]) {
    let old = nodes
    nodes = [:]
    for node in found where nodes[node.url] == nil {
      var node = node
      if let known = old[node.url] {
        (node.mode, node.failures) = (known.mode, known.failures)
        (node.inFlight, node.offlineUntil) = (known.inFlight, known.offlineUntil)
      }
      nodes[node.url] = node
    }
  }

  /// The nodes in the order of their URLs.
  package var all: [GatewayNode] { nodes.values.sorted { $0.url < $1.url } }

  /// Whether a node may be asked at a time.
  package static func isOnline(_ node: GatewayNode, at time: Duration) -> Bool {
    node.offlineUntil.map { $0 <= time } ?? true
  }

  /// Chooses a node that was not tried, at random by weight, and counts a request in flight.
  package mutating func begin(besides tried: Set<String>, at time: Duration) -> GatewayNode? {
    guard tried.count < Self.mostTries else { return nil }
    let candidates = all.filter {
      !tried.contains($0.url) && $0.mayBegin && Self.isOnline($0, at: time)
    }
    let total = candidates.reduce(0) { $0 + $1.weight }
    guard var chosen = candidates.last else { return nil }
    var rest = generator.unit() * total
    for candidate in candidates {
      rest -= candidate.weight
      guard rest >= 0 else {
        chosen = candidate
        break
      }
    }
    nodes[chosen.url]?.inFlight += 1
    return nodes[chosen.url]
  }

  /// Counts the end of a request.
  ///
  /// Whether it succeeded does not matter: only its own word takes a node offline, or a request that no
  /// node could answer would take all of them.
  package mutating func end(_ url: String) {
    guard let count = nodes[url]?.inFlight else { return }
    nodes[url]?.inFlight = max(0, count - 1)
  }

  /// Notes how a node says it is.
  package mutating func isHealthy(_ url: String, mode: GatewayNodeMode) {
    nodes[url]?.mode = mode
    nodes[url]?.failures = 0
    nodes[url]?.offlineUntil = nil
  }

  /// Notes that a node is spoken to otherwise.
  package mutating func setMode(_ mode: GatewayNodeMode, of url: String) { nodes[url]?.mode = mode }

  /// Notes that a node did not say how it is; the third in a row takes the node offline for a while.
  package mutating func fail(_ url: String, at time: Duration) {
    guard let failures = nodes[url]?.failures else { return }
    nodes[url]?.failures = failures + 1
    if failures + 1 >= Self.failureLimit { nodes[url]?.offlineUntil = time + Self.pause }
  }
}

/// What an oracle says about nodes, as a gateway reads it.
package enum OracleListing {
  /// The nodes of a topology that are ready, and behind them others that are registered: those that may
  /// be asked, and those on loopback addresses where they may not.
  /// - Parameters:
  ///   - topology: what `GET /api/v1/pipeline/topology` answered.
  ///   - registered: what `GET /api/nodes` answered.
  ///   - capacity: what `GET /api/v1/metrics/capacity` answered; nil when it did not.
  ///   - allowsLoopback: whether nodes on loopback addresses may be asked.
  package static func nodes(
    topology: JSON?, registered: JSON?, capacity: JSON?, allowsLoopback: Bool
  ) -> (usable: [GatewayNode], refused: [GatewayNode]) {
    var benchmarks: [String: Double] = [:]
    for row in capacity?.arrayValue ?? [] {
      guard let address = row["address"]?.stringValue else { continue }
      benchmarks[address.lowercased()] = row["benchmarkTokPerSec"]?.doubleValue
    }
    let ready = (topology?["nodes"]?.arrayValue ?? []).compactMap { row -> GatewayNode? in
      guard row["ready"]?.boolValue == true else { return nil }
      return node(
        row["nodeAddress"], row["httpEndpoint"], order: row["pipelineOrder"]?.integerValue,
        row["benchmarkTokPerSec"]?.doubleValue, benchmarks)
    }
    let others = (registered?["nodes"]?.arrayValue ?? []).compactMap { row in
      node(row["address"], row["endpoint"], order: nil, nil, benchmarks)
    }
    let all = ready + others
    guard !allowsLoopback else { return (all, []) }
    return (all.filter { !isLoopback($0.url) }, all.filter { isLoopback($0.url) })
  }

  private static func node(
    _ address: JSON?, _ url: JSON?, order: Int64?, _ benchmark: Double?,
    _ benchmarks: [String: Double]
  ) -> GatewayNode? {
    guard let text = address?.stringValue, let address = try? Address(text),
      var url = url?.stringValue, url.hasPrefix("http://") || url.hasPrefix("https://")
    else { return nil }
    while url.hasSuffix("/") { url.removeLast() }
    // The order that the oracle lists agents with all of a model under is none of a pipeline.
    let order = order.flatMap { $0 == 999 ? nil : Int(exactly: $0) }
    return GatewayNode(
      address: address, url: url, order: order,
      benchmark: benchmark ?? benchmarks[text.lowercased()] ?? 0)
  }

  /// Whether a URL's host is one that the real gateway refuses.
  static func isLoopback(_ url: String) -> Bool {
    // Only URLs of the two schemes are read.
    let scheme = url.hasPrefix("https://") ? "https://" : "http://"
    var host = url.dropFirst(scheme.count).prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    if let at = host.lastIndex(of: "@") { host = host[host.index(after: at)...] }
    if host.hasPrefix("[") {
      host = host.dropFirst().prefix { $0 != "]" }
    } else {
      host = host.prefix { $0 != ":" }
    }
    return ["localhost", "127.0.0.1", "0.0.0.0", "::1"].contains(host.lowercased())
  }
}
