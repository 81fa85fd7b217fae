import MockServing
import NetworkWatch
import PetalsNode
import PlumiseTesting
import PlumiseWire

/// The ways to the nodes of a network: a proxy before each, whose faults programs and people order.
struct NodeLinks: Sendable {
  /// The way to one node.
  struct Link: Sendable {
    /// The node's name: `node-1`.
    let name: String
    let link: FaultyLink
  }

  /// One for each node, in their order.
  let links: [Link]
  /// The faults of all links.
  let administration: FaultAdministration
  /// Where programs order faults; nil where they cannot.
  var administrationURL: String?

  /// What other programs connect to in place of each node; nil where they use the nodes themselves.
  var peers: [String]? { administrationURL.map { _ in links.map(\.link.peer.description) } }

  /// Runs a body with a link before each node, and with a port for orders where there is to be one.
  /// - Parameters:
  ///   - adminPort: The port for orders; nil for none.
  ///   - seed: What decides chance where a fault is only likely.
  ///   - observe: Is told of faults that are ordered and taken back.
  static func with(
    _ nodes: [RunningNetwork.Node], adminPort: Int? = nil, seed: UInt64 = 0,
    observe: @escaping @Sendable (FaultAdministration.Change) -> Void = { _ in },
    _ body: (NodeLinks) async throws -> Void
  ) async throws {
    try await with(nodes[...], seed, links: []) { links in
      let administration = FaultAdministration(links: links.map { ($0.name, $0.link) })
        .observed(by: observe)
      var all = NodeLinks(links: links, administration: administration)
      guard let adminPort else { return try await body(all) }
      try await administration.withServer(of: "up", port: adminPort) { address async throws in
        all.administrationURL = address.url
        try await body(all)
      }
    }
  }

  private static func with(
    _ nodes: ArraySlice<RunningNetwork.Node>, _ seed: UInt64, links: [Link],
    _ body: ([Link]) async throws -> Void
  ) async throws {
    guard let node = nodes.first else { return try await body(links) }
    try await withFaultyLink(to: try PeerAddress(parsing: node.peer)) { link async throws in
      // Each link draws by itself.
      link.seed(seed &+ UInt64(links.count))
      let named = Link(name: "node-\(links.count + 1)", link: link)
      try await with(nodes.dropFirst(), seed, links: links + [named], body)
    }
  }
}
