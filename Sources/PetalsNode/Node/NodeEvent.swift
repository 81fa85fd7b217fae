/// What a node tells while it runs.
public enum NodeEvent: Hashable, Sendable {
  /// gRPC answers here, though the weights may not be there yet.
  case listening(PeerAddress)
  /// HTTP answers here.
  case listeningHTTP(PeerAddress)
  /// A pass through its own port succeeded.
  case ready
  /// Its ports are free and nothing runs.
  case stopped
}
