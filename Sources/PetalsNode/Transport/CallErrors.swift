import GRPCCore

extension NodeError {
  /// A peer gave no sign of life for as long as it may.
  init(silent peer: String, for limit: Duration) {
    self.init(.deadlineExceeded, "it gave no sign of life within \(limit)", peer: peer)
  }

  /// What a call to a peer threw, with the peer's name and its innermost cause.
  init(calling peer: String, _ error: any Error) {
    switch error {
    case var error as NodeError:
      error.peer = error.peer ?? peer
      self = error
    case let error as RPCError where error.code == .unavailable && error.cause != nil:
      self.init(.unavailable, "cannot be reached: \(error.innermostCause)", peer: peer)
    case let error as RPCError:
      self.init(Code(rawValue: error.code.rawValue), error.message, peer: peer)
    case is CancellationError:
      self.init(.cancelled, "the call was cancelled", peer: peer)
    case let error as RuntimeError:
      self.init(.unavailable, "the connection is closed: \(error.message)", peer: peer)
    default:
      self.init(.unknown, "\(error)", peer: peer)
    }
  }
}

extension RPCError {
  /// What began it: gRPC wraps a refused connection several times over.
  var innermostCause: String {
    var text = message
    var next = cause
    while let error = next {
      if let error = error as? RPCError {
        text = error.message
        next = error.cause
      } else if let error = error as? RuntimeError {
        text = error.message
        next = error.cause
      } else {
        return "\(error)"
      }
    }
    return text
  }
}
