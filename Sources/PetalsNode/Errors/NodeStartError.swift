/// Why a node did not start.
public enum NodeStartError: Error, Sendable, CustomStringConvertible {
  /// Another program listens there.
  case portInUse(host: String, port: Int)
  /// The address is not one of this machine, or the name has none.
  case cannotListen(host: String, port: Int, reason: String)
  /// Its first pass through its own port failed.
  case selfTestFailed(String)
  /// A node runs once.
  case alreadyRan
  /// It was stopped before it was ready.
  case stopped

  /// One line that says what to do.
  public var description: String {
    switch self {
    case .portInUse(let host, let port):
      "port \(port) on \(host) is in use: stop what listens there, or choose another port"
    case .cannotListen(let host, let port, let reason):
      "cannot listen on \(host):\(port): \(reason)"
    case .selfTestFailed(let reason):
      "the node's first pass through its own port failed: \(reason)"
    case .alreadyRan: "this node has run already: make another one"
    case .stopped: "the node was stopped before it was ready"
    }
  }
}
