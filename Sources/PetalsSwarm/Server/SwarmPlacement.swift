import AsyncPrimitives
public import Bloom
import Logging
import PetalsNode

/// How a server of a swarm finds the blocks that it serves, and when it looks again.
public struct SwarmPlacement: Hashable, Sendable {
  /// How many blocks it serves.
  public var blockCount: Int
  /// The fraction of the best throughput that the swarm may fall to before the server moves.
  ///
  /// Petals' is 0.75; 0 never moves.
  public var quality: Double
  /// The mean time between two looks.
  ///
  /// Each time is by chance between nothing and twice as long, so that servers do not all move at once.
  public var checkInterval: Duration

  /// A placement of so many blocks, with Petals' quality and interval.
  public init(
    blockCount: Int, quality: Double = 0.75, checkInterval: Duration = .seconds(120)
  ) {
    self.blockCount = blockCount
    self.quality = quality
    self.checkInterval = checkInterval
  }
}

/// A move of a server to blocks that the swarm needs more.
public struct SwarmMove: Hashable, Sendable, CustomStringConvertible {
  /// What it served.
  public let blocks: BlockRange
  /// What it is to serve; others may have moved by the time that it does, and it looks again.
  public let target: BlockRange
  /// The throughput of the block that is served worst, as a fraction of what it could be.
  public let quality: Double

  /// One line that says what is served, what is to be, and why.
  public var description: String {
    "the swarm is served at \(Int((quality * 100).rounded())) % of what it could be: blocks "
      + "\(blocks) are left for \(target)"
  }
}

extension SwarmPeer {
  /// The blocks of a model that a swarm serves worst now: what a server that joins should take.
  ///
  /// - Parameters:
  ///   - count: How many blocks; more than the model has count as all.
  ///   - model: The model as the swarm knows it.
  ///   - fingerprint: The fingerprint of its weights: servers that announce another one serve another
  ///     network that has the same name, and do not count. Nil counts all.
  /// - Throws: ``SwarmError``; `CancellationError`.
  public func worstServedBlocks(
    _ count: Int, of model: SwarmModel, fingerprint: String? = nil
  ) async throws -> BlockRange {
    let balance = try await balance(of: model, fingerprint: fingerprint)
    return try BlockRange(balance.worstServed(count), of: model.blockCount)
  }

  /// What the hash table says of a model's servers, those that load among them.
  ///
  /// This peer's own place is that of its latest announcement, unless that says that it has left.
  package func balance(
    of model: SwarmModel, fingerprint: String? = nil
  ) async throws -> SwarmBalance {
    let servers = try await hashTable.servers(
      of: model, in: [.joining, .online], logger: logger
    ).filter { $0.value.isOf(fingerprint) }
    return SwarmBalance(
      blockCount: model.blockCount,
      servers: servers.map {
        SwarmBalance.Server(peer: $0, blocks: $1.blocks, throughput: $1.throughput)
      })
  }
}

extension SwarmServer {
  /// Waits until the swarm would be served notably better if this server took other blocks.
  ///
  /// Whoever gets the answer ends the server and the node, which tells the swarm that they are gone, and
  /// serves ``SwarmPeer/worstServedBlocks(_:of:fingerprint:)`` of that moment.
  /// - Parameters:
  ///   - placement: When it looks, and what is notable.
  ///   - seed: Where the chance of its intervals begins.
  /// - Throws: ``SwarmError``; `CancellationError`.
  public func waitForBetterBlocks(
    _ placement: SwarmPlacement, seed: UInt64 = .random(in: .min ... .max)
  ) async throws -> SwarmMove {
    let time = Stopwatch(peer.clock)
    var generator = SeededGenerator(seed: seed)
    while true {
      let wait = placement.checkInterval * Double.random(in: 0..<2, using: &generator)
      try await time.sleep(until: time.elapsed + wait)
      if let move = try await move(placement.quality) { return move }
    }
  }

  private func move(_ quality: Double) async throws -> SwarmMove? {
    let balance = try await peer.balance(of: model, fingerprint: node.info.fingerprint)
    switch try await balance.verdict(of: peer.id, quality: quality) {
    case .moves(let target, let reached):
      return SwarmMove(
        blocks: node.info.blocks, target: try BlockRange(target, of: model.blockCount),
        quality: reached)
    case .isNeeded, .isAtItsBest, .gainsTooLittle: return nil
    }
  }
}
