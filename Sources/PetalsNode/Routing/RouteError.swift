/// Why peers make no pipeline for a model; each case names the peers and blocks.
public enum RouteError: Error, Hashable, Sendable, CustomStringConvertible {
  /// No peer was named.
  case noPeers
  /// A peer serves another model, or other weights of it.
  case otherModel(peer: String, name: String, expected: String, actual: String)
  /// The fingerprints agree and the sizes do not: one side is at fault.
  case otherShape(peer: String, field: String, expected: Int, actual: Int)
  /// Every peer answers, and none was told to serve these blocks.
  case gap(missing: Range<Int>, total: Int, peers: [String])
  /// Nobody serves these blocks now, though a peer that is away, busy or banned may again.
  case unserved(missing: Range<Int>, total: Int, peers: [String])

  /// One line that says what to do.
  public var description: String {
    switch self {
    case .noPeers:
      "no peer was named: give host:port of nodes that serve the model's blocks"
    case .otherModel(let peer, let name, let expected, let actual):
      "peer \(peer) serves another model: \(name) with fingerprint \(actual.prefix(16)), not "
        + "\(expected.prefix(16))"
    case .otherShape(let peer, let field, let expected, let actual):
      "peer \(peer) says that its \(field) is \(actual), but the model's is \(expected)"
    case .gap(let missing, let total, let peers):
      "no peer serves blocks \(Self.text(missing)) of \(total): the peers are "
        + peers.joined(separator: ", ")
    case .unserved(let missing, let total, let peers):
      "nobody serves blocks \(Self.text(missing)) of \(total) now, try again later or name more "
        + "peers: \(peers.joined(separator: "; "))"
    }
  }

  private static func text(_ blocks: Range<Int>) -> String {
    "\(blocks.lowerBound)-\(blocks.upperBound - 1)"
  }
}
