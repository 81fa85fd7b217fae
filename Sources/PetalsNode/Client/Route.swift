public import Bloom

/// The nodes that hidden states pass through: every block of the model once, in order.
public struct Route: Hashable, Sendable {
  /// One node on the way.
  public struct Hop: Hashable, Sendable {
    /// The node's name: `host:port` on a network.
    public let peer: String
    /// The blocks that it computes on this way, all of those it serves or a part.
    public let blocks: BlockRange
    /// Most tokens that it takes in one session.
    public let maximumLength: Int

    /// A hop by its parts.
    public init(peer: String, blocks: BlockRange, maximumLength: Int) {
      self.peer = peer
      self.blocks = blocks
      self.maximumLength = maximumLength
    }
  }

  /// The model that all of them serve.
  public struct ModelIdentity: Hashable, Sendable {
    /// Its fingerprint.
    public let fingerprint: String
    /// Its blocks.
    public let blockCount: Int
    /// Numbers in a hidden state.
    public let hiddenSize: Int

    /// A model by what a route depends on.
    public init(fingerprint: String, blockCount: Int, hiddenSize: Int) {
      self.fingerprint = fingerprint
      self.blockCount = blockCount
      self.hiddenSize = hiddenSize
    }

    /// Refuses a peer of another model.
    ///
    /// - Throws: ``RouteError/modelMismatch(peer:name:expected:actual:)`` and
    ///   ``RouteError/shapeMismatch(peer:field:expected:actual:)``.
    func check(_ info: PeerInfo, of peer: String) throws(RouteError) {
      guard info.fingerprint == fingerprint else {
        throw .modelMismatch(
          peer: peer, name: info.modelName, expected: fingerprint, actual: info.fingerprint)
      }
      guard info.blocks.blockCount == blockCount else {
        throw .shapeMismatch(
          peer: peer, field: "number of blocks", expected: blockCount,
          actual: info.blocks.blockCount)
      }
      guard info.hiddenSize == hiddenSize else {
        throw .shapeMismatch(
          peer: peer, field: "hidden size", expected: hiddenSize, actual: info.hiddenSize)
      }
    }
  }

  /// In the order of the blocks.
  public let hops: [Hop]

  /// A way by its hops.
  init(hops: [Hop]) { self.hops = hops }

  /// Most tokens that every node takes in one session.
  public var maximumLength: Int { hops.map(\.maximumLength).min() ?? 0 }
}

/// Finds the fastest route through blocks, over peers whose ranges may overlap.
///
/// Nodes of the graph are the boundaries between blocks; an edge is a peer that computes the blocks
/// between two boundaries, as long as its round trip and its blocks take. It is Dijkstra's search
/// (1959), without its queue: edges only lead to later boundaries, so that each is settled when all
/// before it are.
package struct RouteSearch {
  /// A peer that may be on the way.
  package struct Candidate: Sendable {
    /// Its name.
    package let peer: String
    /// The blocks that it serves.
    package let blocks: BlockRange
    /// Most tokens that it takes in one session.
    package let maximumLength: Int
    /// How long it takes.
    package let times: PeerLatency

    /// A candidate by its parts.
    package init(peer: String, blocks: BlockRange, maximumLength: Int, times: PeerLatency) {
      self.peer = peer
      self.blocks = blocks
      self.maximumLength = maximumLength
      self.times = times
    }
  }

  private struct Arrival {
    var cost: Duration
    var hops: Int
    var from: Int
    var candidate: Int
  }

  private let candidates: [Candidate]

  /// A search among peers; of those that are equal in all, the first is taken.
  package init(_ candidates: [Candidate]) { self.candidates = candidates }

  /// The hops that take least time in sum, then the fewest; nil when a block has no peer.
  package func quickest(_ range: Range<Int>) -> [Route.Hop]? {
    let boundaries = boundaries(in: range)
    var best: [Int: Arrival] = [
      range.lowerBound: Arrival(cost: .zero, hops: 0, from: range.lowerBound, candidate: -1)
    ]
    for (index, boundary) in boundaries.enumerated() {
      guard let here = best[boundary] else { continue }
      for (number, candidate) in candidates.enumerated()
      where candidate.blocks.indices.contains(boundary) {
        for end in boundaries[(index + 1)...] where end <= candidate.blocks.upperBound {
          let arrival = Arrival(
            cost: here.cost + candidate.times.cost(blocks: end - boundary), hops: here.hops + 1,
            from: boundary, candidate: number)
          if let old = best[end], (old.cost, old.hops) <= (arrival.cost, arrival.hops) { continue }
          best[end] = arrival
        }
      }
    }
    return hops(to: range.upperBound, from: range.lowerBound, best)
  }

  /// The first blocks that no candidate serves; nil when each has one.
  package func firstGap(in range: Range<Int>) -> Range<Int>? {
    func isServed(_ block: Int) -> Bool {
      candidates.contains { $0.blocks.indices.contains(block) }
    }
    guard let first = range.first(where: { !isServed($0) }) else { return nil }
    return first..<((first..<range.upperBound).first(where: isServed) ?? range.upperBound)
  }

  /// Where a way may change peers at its best: time grows evenly with each block, so that a change
  /// anywhere else is no better than one at an end of some peer's range.
  private func boundaries(in range: Range<Int>) -> [Int] {
    let ends = candidates.flatMap { [$0.blocks.lowerBound, $0.blocks.upperBound] }
    return Set(ends + [range.lowerBound, range.upperBound])
      .filter { (range.lowerBound...range.upperBound).contains($0) }.sorted()
  }

  private func hops(to end: Int, from start: Int, _ best: [Int: Arrival]) -> [Route.Hop]? {
    var hops: [Route.Hop] = []
    var boundary = end
    while boundary > start {
      guard let arrival = best[boundary] else { return nil }
      let candidate = candidates[arrival.candidate]
      guard
        let blocks = try? BlockRange(
          arrival.from..<boundary, of: candidate.blocks.blockCount)
      else { return nil }
      hops.append(
        Route.Hop(
          peer: candidate.peer, blocks: blocks, maximumLength: candidate.maximumLength))
      boundary = arrival.from
    }
    return hops.reversed()
  }
}

/// Why peers make no pipeline for a model; each case names the peers and blocks.
public enum RouteError: Error, Hashable, Sendable, CustomStringConvertible {
  /// No peer was named.
  case noPeers
  /// A peer serves another model, or other weights of it.
  case modelMismatch(peer: String, name: String, expected: String, actual: String)
  /// The fingerprints agree and the sizes do not: one side is at fault.
  case shapeMismatch(peer: String, field: String, expected: Int, actual: Int)
  /// Every peer answers, and none was told to serve these blocks.
  case gap(missing: Range<Int>, total: Int, peers: [String])
  /// Nobody serves these blocks now, though a peer that is away, busy or banned may again.
  case unserved(missing: Range<Int>, total: Int, peers: [String])

  /// One line that says what to do.
  public var description: String {
    switch self {
    case .noPeers:
      "no peer was named: give host:port of nodes that serve the model's blocks"
    case .modelMismatch(let peer, let name, let expected, let actual):
      "peer \(peer) serves another model: \(name) with fingerprint \(actual.prefix(16)), not "
        + "\(expected.prefix(16))"
    case .shapeMismatch(let peer, let field, let expected, let actual):
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
