package import Bloom

/// The quickest way through blocks, over peers whose ranges may overlap.
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
    package let blocks: LayerRange
    /// Most tokens that it takes in one session.
    package let maximumLength: Int
    /// How long it takes.
    package let times: PeerTimes

    /// A candidate by its parts.
    package init(peer: String, blocks: LayerRange, maximumLength: Int, times: PeerTimes) {
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
        let blocks = try? LayerRange(
          arrival.from..<boundary, of: candidate.blocks.layerCount)
      else { return nil }
      hops.append(
        Route.Hop(
          peer: candidate.peer, blocks: blocks, maximumLength: candidate.maximumLength))
      boundary = arrival.from
    }
    return hops.reversed()
  }
}
