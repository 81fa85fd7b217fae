import PipelineRPC

/// A secret by which a node takes steps of one session from other nodes: 16 random bytes.
///
/// Whoever knows it can do to the session what the node before it on its route can (NodeProtocol.md).
struct DeliveryToken: Hashable, Sendable {
  private static let size = 16
  let bytes: [UInt8]

  /// A token that nobody can guess: the system's generator is a cryptographic one.
  init() {
    bytes = (0..<Self.size).map { _ in UInt8.random(in: .min ... .max) }
  }

  /// Reads a token from the wire.
  ///
  /// - Throws: ``NodeError/Code/invalidArgument`` for any other number of bytes.
  init(_ bytes: some Collection<UInt8>, field: String) throws(NodeError) {
    guard bytes.count == Self.size else {
      throw NodeError(
        .invalidArgument, "\(field): send \(Self.size) bytes, not \(bytes.count)")
    }
    self.bytes = Array(bytes)
  }
}

/// A session on another node, to which steps can be handed on.
struct NextNode: Hashable, Sendable {
  let address: PeerAddress
  let token: DeliveryToken

  init(address: PeerAddress, token: DeliveryToken) {
    self.address = address
    self.token = token
  }

  /// Reads the place that a step names.
  ///
  /// - Throws: ``NodeError/Code/invalidArgument``.
  init(_ message: Plumise_Petals_NextNode) throws(NodeError) {
    do {
      address = try PeerAddress(parsing: message.address)
    } catch {
      throw NodeError(.invalidArgument, "next_nodes: \(error)")
    }
    token = try DeliveryToken(message.token, field: "next_nodes")
  }

  /// This place for a message.
  var message: Plumise_Petals_NextNode {
    var message = Plumise_Petals_NextNode()
    message.address = address.description
    message.token = .init(token.bytes)
    return message
  }
}
