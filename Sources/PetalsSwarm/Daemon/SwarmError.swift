import PetalsNode
public import SystemErrors

/// Why a swarm, or a peer in it, could not be used: an open code, and one line for people.
public struct SwarmError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What its owner can do about it.
  public struct Code: ErrorCode {
    /// The code's name.
    public let rawValue: String

    /// A code by its name.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// There is no p2pd on this machine: fetch it.
    public static let daemonMissing = Self(rawValue: "daemon missing")
    /// p2pd did not start: its own words say why.
    public static let daemonFailed = Self(rawValue: "daemon failed")
    /// p2pd has ended: start again.
    public static let daemonEnded = Self(rawValue: "daemon ended")
    /// An identity's file cannot be used.
    public static let wrongIdentity = Self(rawValue: "wrong identity")
    /// An address of a peer is none.
    public static let wrongAddress = Self(rawValue: "wrong address")
    /// The peer cannot be reached.
    public static let unreachable = Self(rawValue: "unreachable")
    /// The peer answered with an error.
    public static let refused = Self(rawValue: "refused")
    /// The peer's clock says another time: set the clocks.
    public static let clocksDiffer = Self(rawValue: "clocks differ")
    /// The peer did not answer in time.
    public static let timedOut = Self(rawValue: "timed out")
    /// The peer sent what has not the form it should have.
    public static let malformed = Self(rawValue: "malformed")
    /// A message is too large for the way that it would take.
    public static let tooLarge = Self(rawValue: "too large")
    /// The stream has ended.
    public static let streamEnded = Self(rawValue: "stream ended")
  }

  /// What its owner can do about it.
  public let code: Code
  /// One line that says what is wrong and what to do.
  public let message: String
  /// The peer; nil for the daemon and the program itself.
  public let peer: PeerID?

  /// An error by its parts.
  public init(_ code: Code, _ message: String, peer: PeerID? = nil) {
    self.code = code
    self.message = message
    self.peer = peer
  }

  /// The most of an error's words that is sent and kept: they may be megabytes, and go into logs.
  private static let longestReason = 1000

  /// An error's words, cut where they are too long.
  static func reason(_ text: String) -> String {
    text.utf8.count <= longestReason ? text : "\(text.prefix(longestReason))…"
  }

  /// What the refusal of an answer that is too long for a call ends in.
  static let longAnswer = "is too large for a call: use a stream"

  /// Whether a peer of this package refuses because its answer would be too long.
  var isOfLongAnswer: Bool { code == .refused && message.hasSuffix(Self.longAnswer) }

  /// An error in a peer's own words.
  init(refusal text: String, by peer: PeerID) {
    self.init(.refused, Self.reason(text), peer: peer)
  }

  /// The peer, the message and the code.
  public var description: String {
    (peer.map { "peer \($0): " } ?? "") + "\(message) (\(code))"
  }
}

extension NodeError {
  /// What a call to a peer of the swarm threw.
  init(swarm error: any Error, peer: String) {
    switch error {
    case var error as NodeError:
      error.peer = error.peer ?? peer
      self = error
    case let error as SwarmError:
      let code: Code =
        switch error.code {
        case .timedOut: .deadlineExceeded
        case .malformed: .internalFault
        case .tooLarge: .resourceExhausted
        case .refused: NodeError.code(refusal: error.message)
        default: .unavailable
        }
      self.init(code, error.message, peer: peer)
    case let error as SwarmMessageError:
      self.init(.internalFault, "its answer is wrong: \(error)", peer: peer)
    case is CancellationError:
      self.init(.cancelled, "the call was cancelled", peer: peer)
    default:
      self.init(.unknown, "\(error)", peer: peer)
    }
  }

  /// The code in a refusal of a node of this package, whose text ends in it: "… (out of range)".
  ///
  /// Petals' servers give the text of a Python exception, which has none.
  private static func code(refusal: String) -> Code {
    let codes: [Code] = [
      .invalidArgument, .resourceExhausted, .failedPrecondition, .outOfRange, .unimplemented,
      .unavailable, .deadlineExceeded,
    ]
    return codes.first { refusal.hasSuffix("(\($0))") } ?? .internalFault
  }
}
