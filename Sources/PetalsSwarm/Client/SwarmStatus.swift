import Logging

/// What a swarm's members say of themselves in the hash table.
public struct SwarmStatus: Hashable, Sendable {
  /// A server of blocks.
  public struct Server: Hashable, Sendable {
    /// The peer.
    public let peer: PeerID
    /// Its blocks.
    public let blocks: Range<Int>
    /// A name for people; nil where it gives none.
    public let name: String?
    /// The version of Petals that it speaks as; nil where it gives none.
    public let version: String?
    /// Tokens a second that it computes in one block; nil where it does not say.
    public let tokensPerSecond: Double?
    /// Tokens for which it has cache memory left; nil where it does not say.
    public let cacheTokensLeft: Int?
    /// Whether it says that it serves other weights, those of another network that has the same name.
    public let isOfAnotherModel: Bool
  }

  /// The model's servers, in the order of their blocks.
  public let servers: [Server]
  /// The blocks that no server of the model's weights is announced for.
  public let unservedBlocks: [Int]

  /// Reads the records of a model's blocks.
  ///
  /// - Parameters:
  ///   - model: The model as the swarm knows it.
  ///   - fingerprint: The fingerprint of its weights; nil takes each server for one of the model.
  ///   - peer: A peer of the swarm.
  /// - Throws: ``SwarmError``; `CancellationError`.
  public init(
    of model: SwarmModel, fingerprint: String? = nil, through peer: SwarmPeer
  ) async throws {
    let found = try await peer.hashTable.servers(of: model, logger: peer.logger)
    servers = found.map { peer, record in
      Server(
        peer: peer, blocks: record.blocks, name: record.publicName, version: record.version,
        tokensPerSecond: record.inferenceRPS, cacheTokensLeft: record.cacheTokensLeft,
        isOfAnotherModel: !record.isOf(fingerprint))
    }.sorted {
      ($0.blocks.lowerBound, $0.peer.description) < ($1.blocks.lowerBound, $1.peer.description)
    }
    unservedBlocks = (0..<model.blockCount).filter { block in
      !found.values.contains { $0.blocks.contains(block) && $0.isOf(fingerprint) }
    }
  }
}
