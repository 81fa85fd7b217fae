/// Why peers make no pipeline for a model; each case names the peers and blocks.
public enum RouteError: Error, Hashable, Sendable, CustomStringConvertible {
  /// No peer was named.
  case noPeers
  /// A peer serves another model, or other weights of it.
  case otherModel(peer: String, name: String, expected: String, actual: String)
  /// The fingerprints agree and the sizes do not: one side is at fault.
  case otherShape(peer: String, field: String, expected: Int, actual: Int)
  /// A peer still loads or stops.
  case notReady(peer: String)
  /// Nobody serves these blocks.
  case gap(missing: Range<Int>, total: Int, peers: [String])
  /// Two peers serve the same blocks.
  case overlap(blocks: Range<Int>, first: String, second: String)

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
    case .notReady(let peer):
      "peer \(peer) is not ready: it loads or stops; try again"
    case .gap(let missing, let total, let peers):
      "no peer serves blocks \(missing.lowerBound)-\(missing.upperBound - 1) of \(total): the "
        + "peers are \(peers.joined(separator: ", "))"
    case .overlap(let blocks, let first, let second):
      "blocks \(blocks.lowerBound)-\(blocks.upperBound - 1) are served by both \(first) and "
        + "\(second): name one of them"
    }
  }
}
