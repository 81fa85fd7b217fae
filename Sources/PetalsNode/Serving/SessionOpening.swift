public import Bloom

/// What a client asks for when it opens a session.
public struct SessionOpening: Hashable, Sendable {
  /// The client's name of the session, for messages and logs.
  public let id: String
  /// The model that the client means; nil to take what is served.
  public let fingerprint: String?
  /// The blocks of the session, all of the node's or a part; nil for the node's own range.
  public let blocks: LayerRange?
  /// Most tokens that the cache will hold; the node reserves memory for them.
  public let maximumLength: Int

  /// A request for a session.
  public init(id: String, fingerprint: String?, blocks: LayerRange?, maximumLength: Int) {
    self.id = id
    self.fingerprint = fingerprint
    self.blocks = blocks
    self.maximumLength = maximumLength
  }
}
