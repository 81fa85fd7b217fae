/// Which blocks of a model its servers should take, so that the block that is served worst is served
/// as well as can be.
///
/// The rule of thumb is that of Petals' servers (`src/petals/server/block_selection.py`, commit
/// 22afba6 of bigscience-workshop/petals). A block's throughput is the sum of that of its servers. A
/// server that joins takes the range whose throughputs, sorted, come first. A server moves when the
/// swarm would be served notably better after its move and those that others would then make. Petals
/// has the others move in an order by chance; here they move in the order of their names, so that all
/// servers foresee the same.
package struct SwarmBalance: Sendable {
  /// A server of blocks.
  package struct Server: Hashable, Sendable {
    /// The peer.
    package let peer: PeerID
    /// Its blocks.
    package var blocks: Range<Int>
    /// Tokens a second that it computes in each of its blocks.
    package let throughput: Double

    /// A server; a throughput that no machine has is brought to what counts, 0 to 10⁹ a second.
    package init(peer: PeerID, blocks: Range<Int>, throughput: Double) {
      self.peer = peer
      self.blocks = blocks
      self.throughput = throughput.isNaN ? 0 : min(max(throughput, 0), 1e9)
    }
  }

  /// Whether a server should move.
  package enum Verdict: Hashable, Sendable {
    /// It serves alone what would be missing.
    case isNeeded
    /// No other range would be served better by it.
    case isAtItsBest
    /// It would gain the swarm too little, or nothing: the quality of today's balance, 1 for the best
    /// that could be reached, or nil where moving makes it worse.
    case gainsTooLittle(quality: Double?)
    /// The swarm is served at that fraction of what it could be, and begins to be served better by the
    /// server's move to a range.
    case moves(to: Range<Int>, quality: Double)
  }

  /// The fraction of the throughput that keeps a server where it is when all is equal but rounding.
  private static let margin = 1e-3
  /// Most rounds of moves that are foreseen; a swarm settles in a few.
  private static let rounds = 32

  private let blockCount: Int
  private let servers: [Server]

  /// A swarm's servers of a model; ranges beyond the model are left out.
  package init(blockCount: Int, servers: [Server]) {
    self.blockCount = blockCount
    self.servers = servers.filter {
      !$0.blocks.isEmpty && $0.blocks.lowerBound >= 0 && $0.blocks.upperBound <= blockCount
    }.sorted { $0.peer.description < $1.peer.description }
  }

  /// Tokens a second that the servers of each block compute together.
  package var throughputs: [Double] { Self.sums(servers, blockCount) }

  private static func sums(_ servers: some Sequence<Server>, _ blockCount: Int) -> [Double] {
    var sums = Array(repeating: 0.0, count: blockCount)
    for server in servers { sums.add(server.throughput, to: server.blocks) }
    return sums
  }

  /// What is left without a server: a little less than nothing where it serves alone, so that it stays
  /// there when all is equal.
  ///
  /// Summed anew, for what is left by rounding when a number is added and taken away would decide
  /// between equal blocks.
  private static func sums(
    _ servers: [Server], without index: Int, _ blockCount: Int
  ) -> [Double] {
    let others = servers.indices.lazy.filter { $0 != index }.map { servers[$0] }
    var sums = sums(others, blockCount)
    sums.add(-servers[index].throughput * margin, to: servers[index].blocks)
    return sums
  }

  /// The range of so many blocks that is served worst, the first one of several.
  ///
  /// - Parameter count: 1 to the number of the model's blocks; more count as all.
  package func worstServed(_ count: Int) -> Range<Int> {
    Self.worstServed(count, throughputs)
  }

  private static func worstServed(_ count: Int, _ throughputs: [Double]) -> Range<Int> {
    let count = min(max(count, 1), throughputs.count)
    var (best, key) = (0, throughputs[0..<count].sorted())
    for start in stride(from: 1, through: throughputs.count - count, by: 1) {
      let other = throughputs[start..<start + count].sorted()
      if other.lexicographicallyPrecedes(key) { (best, key) = (start, other) }
    }
    return best..<best + count
  }

  /// Whether a server should take other blocks.
  ///
  /// - Parameters:
  ///   - peer: The server; one that is not known has nothing to move from.
  ///   - quality: The fraction of the best throughput below which moving pays, Petals' 0.75.
  package func verdict(of peer: PeerID, quality: Double) -> Verdict {
    guard let index = servers.firstIndex(where: { $0.peer == peer }) else { return .isAtItsBest }
    var servers = servers
    let before = throughputs.min() ?? 0
    let (own, rest) = (servers[index], Self.sums(servers, without: index, blockCount))
    if before > Self.margin, rest.min() ?? 0 <= 0 { return .isNeeded }
    let target = Self.worstServed(own.blocks.count, rest)
    if target == own.blocks { return .isAtItsBest }
    servers[index].blocks = target
    var round = 0
    while round < Self.rounds, Self.settle(&servers, blockCount) { round += 1 }
    let after = Self.sums(servers, blockCount).min() ?? 0
    guard after >= before, after >= Self.margin else { return .gainsTooLittle(quality: nil) }
    let reached = before / after
    return reached < quality - Self.margin
      ? .moves(to: target, quality: reached) : .gainsTooLittle(quality: reached)
  }

  /// Has each server in turn take the range that is served worst without it.
  ///
  /// - Returns: Whether one moved.
  private static func settle(_ servers: inout [Server], _ blockCount: Int) -> Bool {
    var hasMoved = false
    for index in servers.indices {
      let rest = sums(servers, without: index, blockCount)
      let target = worstServed(servers[index].blocks.count, rest)
      if target != servers[index].blocks {
        servers[index].blocks = target
        hasMoved = true
      }
    }
    return hasMoved
  }
}

extension [Double] {
  fileprivate mutating func add(_ number: Double, to range: Range<Int>) {
    for index in range { self[index] += number }
  }
}
