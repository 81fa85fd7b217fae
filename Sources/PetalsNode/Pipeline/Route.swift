public import Bloom

/// The way of hidden states through the nodes: every block of the model once, in order.
public struct Route: Hashable, Sendable {
  /// One node on the way.
  public struct Hop: Hashable, Sendable {
    /// The node's name: `host:port` on a network.
    public let peer: String
    /// The blocks that it serves.
    public let blocks: LayerRange
    /// Most tokens that it takes in one session.
    public let maximumLength: Int

    /// A hop by its parts.
    public init(peer: String, blocks: LayerRange, maximumLength: Int) {
      self.peer = peer
      self.blocks = blocks
      self.maximumLength = maximumLength
    }
  }

  /// The model that all of them serve.
  public struct Model: Hashable, Sendable {
    /// Its fingerprint.
    public let fingerprint: String
    /// Its blocks.
    public let layerCount: Int
    /// Numbers in a hidden state.
    public let hiddenSize: Int

    /// A model by what a route depends on.
    public init(fingerprint: String, layerCount: Int, hiddenSize: Int) {
      self.fingerprint = fingerprint
      self.layerCount = layerCount
      self.hiddenSize = hiddenSize
    }
  }

  /// In the order of the blocks.
  public let hops: [Hop]

  /// Orders peers by their blocks, and checks that they make the model.
  ///
  /// - Parameters:
  ///   - peers: What each peer said of itself, with its name.
  ///   - model: The client's own checkpoint.
  /// - Throws: ``RouteError`` for the first thing that is wrong.
  public init(
    of peers: [(name: String, info: PeerInfo)], for model: Model
  ) throws(RouteError) {
    guard !peers.isEmpty else { throw .noPeers }
    for peer in peers { try Self.check(peer.info, of: peer.name, against: model) }
    let ordered = peers.sorted {
      ($0.info.blocks.lowerBound, $0.name) < ($1.info.blocks.lowerBound, $1.name)
    }
    var next = 0
    var previous = ""
    for (name, info) in ordered {
      let blocks = info.blocks
      if blocks.lowerBound < next {
        throw .overlap(
          blocks: blocks.lowerBound..<min(next, blocks.upperBound), first: previous, second: name)
      }
      if blocks.lowerBound > next {
        throw Self.gap(next..<blocks.lowerBound, in: ordered, of: model)
      }
      next = blocks.upperBound
      previous = name
    }
    guard next == model.layerCount else {
      throw Self.gap(next..<model.layerCount, in: ordered, of: model)
    }
    hops = ordered.map {
      Hop(peer: $0.name, blocks: $0.info.blocks, maximumLength: $0.info.maximumLength)
    }
  }

  /// Most tokens that every node takes in one session.
  public var maximumLength: Int { hops.map(\.maximumLength).min() ?? 0 }

  private static func check(
    _ info: PeerInfo, of peer: String, against model: Model
  ) throws(RouteError) {
    guard info.fingerprint == model.fingerprint else {
      throw .otherModel(
        peer: peer, name: info.modelName, expected: model.fingerprint, actual: info.fingerprint)
    }
    guard info.blocks.layerCount == model.layerCount else {
      throw .otherShape(
        peer: peer, field: "number of blocks", expected: model.layerCount,
        actual: info.blocks.layerCount)
    }
    guard info.hiddenSize == model.hiddenSize else {
      throw .otherShape(
        peer: peer, field: "hidden size", expected: model.hiddenSize, actual: info.hiddenSize)
    }
    guard info.isReady else { throw .notReady(peer: peer) }
  }

  private static func gap(
    _ missing: Range<Int>, in peers: [(name: String, info: PeerInfo)], of model: Model
  ) -> RouteError {
    .gap(
      missing: missing, total: model.layerCount,
      peers: peers.map { "\($0.name) (\($0.info.blocks))" })
  }
}
