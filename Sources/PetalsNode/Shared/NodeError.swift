import GRPCCore

/// Why a node, or a call to one, failed: an open code, and one line for people.
public struct NodeError: Error, Hashable, Sendable {
  /// What the caller can do about it; the numbers are gRPC's status codes.
  ///
  /// The set is open: a peer may answer with a code that is not listed here.
  public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// gRPC's number of the status.
    public let rawValue: Int

    /// A code by its number.
    public init(rawValue: Int) { self.rawValue = rawValue }

    /// The caller gave up.
    public static let cancelled = Self(rawValue: 1)
    /// Nobody knows: a fault, or an answer that says no more.
    public static let unknown = Self(rawValue: 2)
    /// The request is malformed: send another one.
    public static let invalidArgument = Self(rawValue: 3)
    /// It took too long: try again, or elsewhere.
    public static let deadlineExceeded = Self(rawValue: 4)
    /// The node is full, or the message too large: try elsewhere, or send less.
    public static let resourceExhausted = Self(rawValue: 8)
    /// The node serves another model, or the session is in another state.
    public static let failedPrecondition = Self(rawValue: 9)
    /// Blocks or positions that the node does not have.
    public static let outOfRange = Self(rawValue: 11)
    /// The node does not do this.
    public static let unimplemented = Self(rawValue: 12)
    /// A fault of the node.
    public static let internalFault = Self(rawValue: 13)
    /// The node cannot be reached, still loads, or stops: try again, or elsewhere.
    public static let unavailable = Self(rawValue: 14)

    /// gRPC's name of the status, or its number.
    public var description: String {
      let names = [
        1: "cancelled", 2: "unknown", 3: "invalid argument", 4: "deadline exceeded",
        8: "resource exhausted", 9: "failed precondition", 11: "out of range",
        12: "unimplemented", 13: "internal", 14: "unavailable",
      ]
      return names[rawValue] ?? "status \(rawValue)"
    }
  }

  /// What the caller can do about it.
  public var code: Code
  /// One line: what was expected, what came, what to do.
  public var message: String
  /// The peer that failed or could not be reached; nil for the program itself.
  public var peer: String?

  /// An error with its code and message.
  public init(_ code: Code, _ message: String, peer: String? = nil) {
    self.code = code
    self.message = message
    self.peer = peer
  }
}

extension NodeError: CustomStringConvertible {
  /// The peer, the message, and the code.
  public var description: String {
    (peer.map { "peer \($0): " } ?? "") + "\(message) (\(code))"
  }
}

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
