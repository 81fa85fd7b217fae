import MockServing
import PetalsNode
import PlumiseTesting
import PlumiseWire

/// The ways to the nodes of `up --admin-port`: a proxy before each, whose faults programs order.
struct NodeLinks: Sendable {
  /// What clients connect to in place of each node.
  let peers: [String]
  /// Where faults are ordered.
  let administrationURL: String

  /// Runs a body with a link before each node; without a port for orders, with none.
  static func with(
    _ nodes: [RunningNetwork.Node], _ options: FaultOptions,
    _ body: (NodeLinks?) async throws -> Void
  ) async throws {
    guard let port = options.adminPort else { return try await body(nil) }
    try await with(nodes[...], options, links: []) { links in
      let administration = FaultAdministration(links: links)
      try await administration.withServer(of: "up", port: port) { address async throws in
        try await body(
          NodeLinks(
            peers: links.map(\.link.peer.description), administrationURL: address.url))
      }
    }
  }

  private static func with(
    _ nodes: ArraySlice<RunningNetwork.Node>, _ options: FaultOptions,
    links: [(name: String, link: FaultyLink)],
    _ body: ([(name: String, link: FaultyLink)]) async throws -> Void
  ) async throws {
    guard let node = nodes.first else { return try await body(links) }
    try await withFaultyLink(to: try PeerAddress(parsing: node.peer)) { link async throws in
      // Each link draws by itself.
      link.seed(options.faultSeed &+ UInt64(links.count))
      try await with(
        nodes.dropFirst(), options, links: links + [(name: "node-\(links.count + 1)", link: link)],
        body)
    }
  }
}
