public import Bloom

/// The way of hidden states through the nodes: every block of the model once, in order.
public struct Route: Hashable, Sendable {
  /// One node on the way.
  public struct Hop: Hashable, Sendable {
    /// The node's name: `host:port` on a network.
    public let peer: String
    /// The blocks that it computes on this way, all of those it serves or a part.
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

    /// Refuses a peer of another model.
    ///
    /// - Throws: ``RouteError/otherModel(peer:name:expected:actual:)`` and
    ///   ``RouteError/otherShape(peer:field:expected:actual:)``.
    func check(_ info: PeerInfo, of peer: String) throws(RouteError) {
      guard info.fingerprint == fingerprint else {
        throw .otherModel(
          peer: peer, name: info.modelName, expected: fingerprint, actual: info.fingerprint)
      }
      guard info.blocks.layerCount == layerCount else {
        throw .otherShape(
          peer: peer, field: "number of blocks", expected: layerCount,
          actual: info.blocks.layerCount)
      }
      guard info.hiddenSize == hiddenSize else {
        throw .otherShape(
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
