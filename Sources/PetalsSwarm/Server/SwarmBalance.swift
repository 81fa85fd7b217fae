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

  /// Units of throughput in a token a second.
  ///
  /// Throughputs are whole numbers of units: those add up to the same in any order, so that sums can be
  /// kept while servers move. What is left by rounding would decide between equal blocks otherwise.
  fileprivate static let unit = 65_536.0
  /// The fraction of the throughput, or the tokens a second, that keep a server where it is when all is
  /// equal.
  fileprivate static let margin = 1e-3
  /// Most rounds of moves that are foreseen; a swarm settles in a few.
  private static let rounds = 32
  /// Most servers whose throughputs count: their sum fits into 63 bits.
  package static let greatestCount = 65_536
  /// Most servers whose moves are foreseen, the first ones by name; others are taken to stay.
  package static let greatestForeseenCount = 1024

  private let blockCount: Int
  private let layout: Layout

  /// A swarm's servers of a model; ranges beyond the model, and servers beyond the greatest count, are left
  /// out.
  package init(blockCount: Int, servers: [Server]) {
    self.blockCount = blockCount
    let counted = servers.lazy.filter {
      !$0.blocks.isEmpty && $0.blocks.lowerBound >= 0 && $0.blocks.upperBound <= blockCount
    }
    layout = Layout(Array(counted.prefix(Self.greatestCount)), blockCount)
  }

  /// Tokens a second that the servers of each block compute together.
  package var throughputs: [Double] { layout.sums.map { Double($0) / Self.unit } }

  /// Servers, and what those of each block compute together, in units.
  private struct Layout: Sendable {
    private(set) var servers: [Server]
    private(set) var sums: [Int]

    init(_ servers: [Server], _ blockCount: Int) {
      self.servers = servers
      sums = Array(repeating: 0, count: blockCount)
      for server in servers { sums.add(server.units, to: server.blocks) }
    }

    /// What is left without a server: a little less than nothing where it serves alone, so that it
    /// stays there when all is equal.
    func sums(without index: Int) -> [Int] {
      var rest = sums
      let units = servers[index].units
      let surplus = Int((Double(units) * SwarmBalance.margin).rounded(.up))
      rest.add(-units - surplus, to: servers[index].blocks)
      return rest
    }

    /// Tokens a second of the block that is served worst.
    var worst: Double { Double(sums.min() ?? 0) / SwarmBalance.unit }

    /// The servers whose moves are foreseen, by name.
    var order: [Int] {
      // A name is made once, not at each comparison.
      let named = servers.enumerated().map { (name: $1.peer.description, index: $0) }
      return named.sorted { $0.name < $1.name }.prefix(SwarmBalance.greatestForeseenCount)
        .map(\.index)
    }

    mutating func move(_ index: Int, to blocks: Range<Int>) {
      sums.add(-servers[index].units, to: servers[index].blocks)
      sums.add(servers[index].units, to: blocks)
      servers[index].blocks = blocks
    }

    /// Has each of some servers in turn take the range that is served worst without it.
    ///
    /// - Returns: Whether one moved.
    /// - Throws: `CancellationError`.
    mutating func settle(_ order: [Int]) async throws -> Bool {
      var hasMoved = false
      for index in order {
        let target = SwarmBalance.worstServed(
          servers[index].blocks.count, sums(without: index))
        if target != servers[index].blocks {
          move(index, to: target)
          hasMoved = true
        }
        // A thousand servers of a large model take a while, in which others have to get on.
        try Task.checkCancellation()
        await Task.yield()
      }
      return hasMoved
    }
  }

  /// The range of so many blocks that is served worst, the first one of several.
  ///
  /// - Parameter count: 1 to the number of the model's blocks; more count as all.
  package func worstServed(_ count: Int) -> Range<Int> {
    Self.worstServed(count, layout.sums)
  }

  fileprivate static func worstServed(_ count: Int, _ throughputs: [Int]) -> Range<Int> {
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
  /// - Throws: `CancellationError`.
  package func verdict(of peer: PeerID, quality: Double) async throws -> Verdict {
    guard let index = layout.servers.firstIndex(where: { $0.peer == peer }) else {
      return .isAtItsBest
    }
    var layout = layout
    let before = layout.worst
    let (own, rest) = (layout.servers[index], layout.sums(without: index))
    if before > Self.margin, rest.min() ?? 0 <= 0 { return .isNeeded }
    let target = Self.worstServed(own.blocks.count, rest)
    if target == own.blocks { return .isAtItsBest }
    let order = layout.order
    layout.move(index, to: target)
    var round = 0
    while round < Self.rounds, try await layout.settle(order) { round += 1 }
    let after = layout.worst
    guard after >= before, after >= Self.margin else { return .gainsTooLittle(quality: nil) }
    let reached = before / after
    return reached < quality - Self.margin
      ? .moves(to: target, quality: reached) : .gainsTooLittle(quality: reached)
  }
}

extension SwarmBalance.Server {
  /// The throughput in units.
  fileprivate var units: Int { Int((throughput * SwarmBalance.unit).rounded()) }
}

extension [Int] {
  fileprivate mutating func add(_ number: Int, to range: Range<Int>) {
    for index in range { self[index] += number }
  }
}
