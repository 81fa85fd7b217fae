public import EthereumPrimitives

/// A node that registered, as `GET /api/nodes` knows it.
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
  /// When it reported last, in unix seconds.
  public internal(set) var lastMetricReport: Int64
}

/// The node registry: who registered, and who was seen lately.
struct NodeTable: Sendable {
  /// How long a node counts as active after it was seen, in seconds.
  static let activity: Int64 = 600
  /// How many nodes are kept; the one that was silent for longest goes first.
  static let capacity = 10_000

  private(set) var nodes: [Address: RegisteredNode] = [:]

  /// Nodes that were seen less than ten minutes ago, by address.
  func active(at now: Int64) -> [RegisteredNode] {
    nodes.values.filter { isActive($0, at: now) }.sorted { $0.address < $1.address }
  }

  func isActive(_ node: RegisteredNode, at now: Int64) -> Bool {
    // Both are times of day, far from the ends of the type.
    node.lastHeartbeat > now - Self.activity
  }

  mutating func register(_ registration: Registration, at now: Int64) {
    var node = nodes[registration.agent] ?? new(registration.agent, at: now)
    let said = Self.registered(registration, at: now)
    node.endpoint = said.endpoint
    node.capabilities = said.capabilities
    node.lastHeartbeat = now
    nodes[registration.agent] = node
  }

  /// Notes that a node was heard of: one that never registered is listed from now on.
  mutating func see(_ agent: Address, at now: Int64, reported: Bool) {
    var node = nodes[agent] ?? new(agent, at: now)
    node.lastHeartbeat = now
    if reported { node.lastMetricReport = now }
    nodes[agent] = node
  }

  /// Takes over what a log kept.
  mutating func restore(_ kept: [RegisteredNode]) {
    for node in kept.prefix(Self.capacity) { nodes[node.address] = node }
  }

  private mutating func new(_ agent: Address, at now: Int64) -> RegisteredNode {
    if nodes.count >= Self.capacity,
      let silent = nodes.values.min(by: { $0.lastHeartbeat < $1.lastHeartbeat })
    {
      nodes[silent.address] = nil
    }
    return Self.seen(agent, at: now)
  }

  /// A node that was heard of for the first time.
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
    return node
  }
}
