public import EthereumPrimitives
import PlumiseWire

/// The registered nodes, with when each was seen.
struct NodeTable: Sendable {
  /// How long a node counts as active after it was seen, in seconds.
  static let activePeriod: Int64 = 600
  /// How many nodes are kept; the one that was not seen for longest is dropped first.
  static let capacity = 10_000

  private(set) var nodes: [Address: RegisteredNode] = [:]

  /// Nodes that were seen less than ten minutes ago, by address.
  func active(at now: Int64) -> [RegisteredNode] {
    nodes.values.filter { isActive($0, at: now) }.sorted { $0.address < $1.address }
  }

  /// Whether a node was seen less than ten minutes ago.
  func isActive(_ node: RegisteredNode, at now: Int64) -> Bool {
    // Both are times of day, far from the ends of the type.
    node.lastHeartbeat > now - Self.activePeriod
  }

  /// Adds a node, or updates it.
  mutating func register(_ registration: Registration, at now: Int64) {
    var node = nodes[registration.agent] ?? makeNode(registration.agent, at: now)
    let new = Self.registered(registration, at: now)
    node.endpoint = new.endpoint
    node.capabilities = new.capabilities
    node.benchmarkTokensPerSecond = new.benchmarkTokensPerSecond ?? node.benchmarkTokensPerSecond
    node.lastHeartbeat = now
    node.lastMetricReport = now
    nodes[registration.agent] = node
  }

  /// Marks a node as seen; one that never registered is listed from now on.
  mutating func recordHeartbeat(of agent: Address, at now: Int64, reported: Bool) {
    var node = nodes[agent] ?? makeNode(agent, at: now)
    node.lastHeartbeat = now
    if reported { node.lastMetricReport = now }
    nodes[agent] = node
  }

  /// Restores what a log stored.
  mutating func restore(_ stored: [RegisteredNode]) {
    for node in stored.prefix(Self.capacity) { nodes[node.address] = node }
  }

  /// A new node; where the table is full, the node that was not seen for longest is dropped for it.
  private mutating func makeNode(_ agent: Address, at now: Int64) -> RegisteredNode {
    if nodes.count >= Self.capacity,
      let oldest = nodes.values.min(by: { $0.lastHeartbeat < $1.lastHeartbeat })
    {
      nodes[oldest.address] = nil
    }
    return Self.seen(agent, at: now)
  }

  /// A node that was seen for the first time.
  static func seen(_ agent: Address, at now: Int64) -> RegisteredNode {
    RegisteredNode(
      address: agent, endpoint: "", capabilities: ["inference"], createdAt: now,
      lastHeartbeat: now, lastMetricReport: now)
  }

  /// A node that registered for the first time.
  static func registered(_ registration: Registration, at now: Int64) -> RegisteredNode {
    var node = seen(registration.agent, at: now)
    node.endpoint = registration.text("endpoint")
    node.capabilities =
      registration.members["capabilities"]?.arrayValue?.compactMap(\.stringValue) ?? []
    node.benchmarkTokensPerSecond = registration.members["benchmarkTokPerSec"]?.doubleValue
    return node
  }
}

/// A node that registered or reported, as `GET /api/nodes` shows it.
public struct RegisteredNode: Sendable, Hashable {
  /// The node's account.
  public let address: Address
  /// The URL at which it says that it answers; empty for one that only reported.
  public internal(set) var endpoint: String
  /// What it says that it can do.
  public internal(set) var capabilities: [String]
  /// When it registered first, in unix seconds.
  public let createdAt: Int64
  /// When it registered or reported last, in unix seconds.
  public internal(set) var lastHeartbeat: Int64
  /// When it reported or registered itself last, in unix seconds.
  public internal(set) var lastMetricReport: Int64
  /// How many tokens a second it says that it generates; `nil` where it never said.
  public internal(set) var benchmarkTokensPerSecond: Double?
}
