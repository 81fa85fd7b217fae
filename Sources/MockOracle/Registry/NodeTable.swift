public import EthereumPrimitives
import PlumiseWire

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

/// How a model's layers are shared among the nodes of its pipeline, by weight (Wire.md, Node
/// registry and pipeline).
enum LayerShares {
  /// What a node without any memory weighs, as in the deployed oracle.
  private static let leastWeight = 1.0

  /// The weight of a node: its memory, or its accelerator's where it has one.
  static func weight(ram: Double, device: String, vram: Double) -> Double {
    let megabytes = device == "cpu" || vram == 0 ? ram : vram
    return megabytes == 0 || megabytes.isNaN ? leastWeight : megabytes
  }

  /// Ranges that follow one another, one for each weight.
  ///
  /// In the profile `fixed` each has a layer at least and there is neither gap nor overlap, as long
  /// as there are no more nodes than layers; a node beyond them gets nothing. `faithful` rounds
  /// every share but the last by itself, which gives empty and negative ranges.
  /// - Parameters:
  ///   - layers: the layers of the whole model.
  ///   - weights: above zero, one for each node in the pipeline's order.
  static func assignments(
    of layers: Int, by weights: [Double], profile: OracleProfile
  ) -> [LayerAssignment] {
    let counts =
      switch profile {
      case .fixed: evenCounts(of: layers, by: weights)
      case .faithful: roundedCounts(of: layers, by: weights)
      }
    var start = 0
    return counts.map { count in
      defer { start += count }
      return LayerAssignment(layerStart: start, layerEnd: start + count, totalLayers: layers)
    }
  }

  /// One layer for each, and each further one where most is lacking of the exact share.
  private static func evenCounts(of layers: Int, by weights: [Double]) -> [Int] {
    // Shares of the greatest weight, so that no sum goes beyond what a double holds.
    let greatest = weights.max() ?? leastWeight
    let shares = weights.map { $0.isFinite ? $0 / greatest : 1 }
    let total = shares.reduce(0, +)
    var counts = weights.indices.map { $0 < layers ? 1 : 0 }
    for _ in 0..<max(0, layers - weights.count) {
      let lacking = shares.indices.map { index in
        Double(layers) * shares[index] / total - Double(counts[index])
      }
      // The first of equals, so that the earlier node has the larger part.
      guard let most = lacking.max(), let index = lacking.firstIndex(of: most) else { break }
      counts[index] += 1
    }
    return counts
  }

  private static func roundedCounts(of layers: Int, by weights: [Double]) -> [Int] {
    let total = weights.reduce(0, +)
    var given = 0
    return weights.enumerated().map { index, weight in
      // JavaScript's Math.round: halves go up.
      let share = (Double(layers) * (weight / total) + 0.5).rounded(.down)
      let isLast = index == weights.count - 1 && index > 0
      let count = weights.count == 1 || isLast ? layers - given : Int(Int64(saturating: share))
      given += count
      return count
    }
  }
}
