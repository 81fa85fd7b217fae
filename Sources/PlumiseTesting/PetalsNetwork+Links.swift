import AsyncPrimitives
import MockServing
import PetalsNode
import Synchronization

/// An end of a link of a network: a part, or its clients.
public enum NetworkPlace: Hashable, Sendable, CustomStringConvertible {
  /// Whoever generates through the nodes.
  case client
  /// The node at a place of ``PetalsNetwork/nodes``.
  case node(Int)
  /// ``PetalsNetwork/oracle``.
  case oracle
  /// ``PetalsNetwork/chain``.
  case chain
  /// ``PetalsNetwork/gateway``.
  case gateway

  /// The place as text: `node 0`, `oracle`, `the client`.
  public var description: String {
    switch self {
    case .client: "the client"
    case .node(let index): "node \(index)"
    case .oracle: "the oracle"
    case .chain: "the chain"
    case .gateway: "the gateway"
    }
  }
}

extension PetalsNetwork {
  /// The link over which one part calls another, in a network with ``LinkKind/faulty`` links.
  ///
  /// The caller is the link's client, whoever is called its server (``LinkDirection``). There is one
  ///
  /// - from clients to each node's gRPC port, which other agents take as well: a newest agent that hands a
  ///   pass on to node 1 does so over the link from clients to node 1,
  /// - from the gateway to each agent's HTTP API, and to the oracle,
  /// - from each node to the oracle and to the chain,
  /// - from the oracle to the chain.
  ///
  /// <doc:InjectingFaults> shows an example.
  ///
  /// - Throws: ``NetworkPlanError/noLink(from:to:known:)``.
  public func link(from: NetworkPlace, to: NetworkPlace) throws(NetworkPlanError) -> FaultyLink {
    let links = links
    let found =
      links.first { $0.from == from && $0.to == to }
      ?? links.first { link in
        // Agents call each other where clients call them.
        guard case .node = from, case .node = to, from != to else { return false }
        return plan.agents != .documented && link.from == .client && link.to == to
      }
    guard let found else {
      throw .noLink(from: from, to: to, known: links.map { "\($0.from) to \($0.to)" })
    }
    return found.link
  }

  /// All links that there are.
  var links: [(from: NetworkPlace, to: NetworkPlace, link: FaultyLink)] {
    let ofNodes = nodes.flatMap { node in
      let place = NetworkPlace.node(node.index)
      return [
        (.client, place, node.links.fromClients), (.gateway, place, node.links.toHTTP),
        (place, .oracle, node.links.toOracle), (place, .chain, node.links.toChain),
      ] as [(NetworkPlace, NetworkPlace, FaultyLink?)]
    }
    let ofServices: [(NetworkPlace, NetworkPlace, FaultyLink?)] = [
      (.oracle, .chain, services.links.oracleToChain),
      (.gateway, .oracle, services.links.gatewayToOracle),
    ]
    return (ofNodes + ofServices).compactMap { from, to, link in
      link.map { (from, to, $0) }
    }
  }
}

/// The links around a node.
struct NodeLinks: Sendable {
  var fromClients: FaultyLink?
  var toHTTP: FaultyLink?
  var toOracle: FaultyLink?
  var toChain: FaultyLink?

  /// Those before its own ports.
  var incoming: [FaultyLink] { [fromClients, toHTTP].compactMap(\.self) }
  /// Those over which it calls others.
  var outgoing: [FaultyLink] { [toOracle, toChain].compactMap(\.self) }
  var all: [FaultyLink] { incoming + outgoing }
}

/// The links between the services of a network: each is there before its caller starts.
final class ServiceLinks: Sendable {
  private let made = Mutex<(oracleToChain: FaultyLink?, gatewayToOracle: FaultyLink?)>((nil, nil))

  var oracleToChain: FaultyLink? {
    get { made.withLock { $0.oracleToChain } }
    set { made.withLock { $0.oracleToChain = newValue } }
  }
  var gatewayToOracle: FaultyLink? {
    get { made.withLock { $0.gatewayToOracle } }
    set { made.withLock { $0.gatewayToOracle = newValue } }
  }
  var all: [FaultyLink] { [oracleToChain, gatewayToOracle].compactMap(\.self) }
}

extension NetworkTime {
  /// Starts a link whose clients measure this time.
  /// - Throws: what listening throws.
  func startLink(to server: PeerAddress) async throws -> FaultyLink {
    try await FaultyLink.start(to: server, clock: clock, monitor: clock.monitor)
  }

  /// Starts a link whose clients measure this time.
  /// - Throws: what listening throws.
  func startLink(to server: ServerAddress) async throws -> FaultyLink {
    try await startLink(to: PeerAddress(host: server.host, port: server.port))
  }
}

extension FaultyLink {
  /// Where the server is reached through this link.
  var serverAddress: ServerAddress { ServerAddress(host: peer.host, port: peer.port) }

  /// Takes every fault back, and connections again.
  func mend() async {
    release()
    do { try await heal() } catch {
      // Another program took the port: whoever calls over this link finds it refused, as it was before.
    }
  }
}
