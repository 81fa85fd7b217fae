public import PlumiseWire
public import SystemErrors

/// Why a request to a chain, or an agent's transaction, failed: an open code, one line for people, and
/// what caused it.
///
/// Every error of `EthereumClient` and `ChainAgent` is one, except `CancellationError`. The code says
/// what its owner can do; the message is for people, and may change. Two errors are equal whatever
/// causes the network gave.
public struct ChainError: Error, Hashable, Sendable {
  /// What kind of failure it is, which decides what its owner can do.
  ///
  /// The set is open: a transport of your own may throw a code of its own.
  public struct Code: ErrorCode {
    /// The code's name.
    public let rawValue: String

    /// Makes a code from its name.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// Whether the chain could not be reached: no answer came, or none of JSON-RPC.
    public var isOutage: Bool { Self.outages.contains(self) }

    private static let outages: Set<Code> = [
      .connectionRefused, .connectionLost, .unavailable, .unexpectedStatus, .unreachable,
    ]

    /// Nothing listens at the chain's address.
    ///
    /// The chain may be down: try again later.
    public static let connectionRefused = Self(rawValue: "connection refused")
    /// The connection was reset or closed before the answer was complete.
    ///
    /// Whether the chain saw the request is not known.
    public static let connectionLost = Self(rawValue: "connection lost")
    /// HTTP status 429, 502, 503 or 504: the server is busy, or what is behind it is down.
    ///
    /// Try again later.
    public static let unavailable = Self(rawValue: "unavailable")
    /// Another HTTP status that is no success: what answers is not JSON-RPC.
    public static let unexpectedStatus = Self(rawValue: "unexpected status")
    /// Anything else that the network says: no such host, no connection in time.
    public static let unreachable = Self(rawValue: "unreachable")
    /// Nothing came in time.
    ///
    /// What was sent may still be mined: look before sending again.
    public static let timedOut = Self(rawValue: "timed out")
    /// The chain answered with an error (``ChainError/failure``): nothing was mined, and the fees, the
    /// coins, the nonce or the request itself are wrong.
    public static let refused = Self(rawValue: "refused")
    /// The transaction is in a block, or would be, and its call did not go through.
    ///
    /// The same call will not go through either until something else changes. ``ChainError/receipt``
    /// tells which of the two it is.
    public static let reverted = Self(rawValue: "reverted")
    /// The answer does not have the form that the method prescribes.
    public static let malformedAnswer = Self(rawValue: "malformed answer")
    /// The server is another chain; nothing was signed for it.
    public static let wrongChain = Self(rawValue: "wrong chain")
  }

  /// What kind of failure it is.
  public var code: Code
  /// One line: what happened.
  public var message: String
  /// Why a call was reverted, in the program's own words; nil where it gave none, or the chain does not
  /// tell.
  public var reason: String?
  /// The receipt of the transaction that was reverted; nil for a call that was only tried.
  public var receipt: Receipt?
  /// The error that began it: the network's, or the chain's `RPCFailure`.
  @ErrorCause<RPCFailure> public var cause: (any Error)?

  /// Makes an error from its code and message.
  public init(
    _ code: Code, _ message: String, reason: String? = nil, receipt: Receipt? = nil,
    cause: (any Error)? = nil
  ) {
    self.code = code
    self.message = message
    self.reason = reason
    self.receipt = receipt
    self.cause = cause
  }

  /// The error that the chain answered with; nil when it answered with none.
  public var failure: RPCFailure? { cause as? RPCFailure }

  /// The bytes that a call reverted with; nil when the chain gave none.
  public var revertData: [UInt8]? {
    code == .reverted ? RevertData.bytes(in: failure?.data) : nil
  }

  /// Whether the chain could not be reached.
  public var isOutage: Bool { code.isOutage }
}

extension ChainError: CustomStringConvertible {
  /// The message.
  public var description: String { message }
}

// The messages of the errors that the client and the agent make.
extension ChainError {
  package static func connectionRefused(url: String, cause: (any Error)? = nil) -> ChainError {
    ChainError(.connectionRefused, "nothing listens at \(url)", cause: cause)
  }

  package static func connectionLost(
    url: String, reason: String, cause: (any Error)? = nil
  ) -> ChainError {
    ChainError(.connectionLost, "the connection to \(url) was lost: \(reason)", cause: cause)
  }

  package static func httpStatus(_ status: Int, url: String) -> ChainError {
    let code: Code = [429, 502, 503, 504].contains(status) ? .unavailable : .unexpectedStatus
    return ChainError(code, "\(url) answered with HTTP status \(status)")
  }

  package static func unreachable(
    url: String, reason: String, cause: (any Error)? = nil
  ) -> ChainError {
    ChainError(.unreachable, "\(url) cannot be reached: \(reason)", cause: cause)
  }

  package static func timedOut(waitingFor what: String, after duration: Duration) -> ChainError {
    ChainError(.timedOut, "no \(what) within \(duration)")
  }

  /// The chain's answer to a method was an error, a revert among them.
  package static func answered(_ failure: RPCFailure, method: String) -> ChainError {
    guard failure.isRevert else {
      return ChainError(
        .refused, "\(method) was refused: \(failure.message) (\(failure.code))", cause: failure)
    }
    let reason = RevertData.reason(RevertData.bytes(in: failure.data) ?? [])
    return ChainError(
      .reverted, "execution reverted" + (reason.map { ": \($0)" } ?? ""), reason: reason,
      cause: failure)
  }

  package static func malformedAnswer(
    method: String, reason: String, cause: (any Error)? = nil
  ) -> ChainError {
    ChainError(.malformedAnswer, "malformed answer to \(method): \(reason)", cause: cause)
  }

  /// A transaction is in a block, and its call did not go through.
  package static func reverted(_ receipt: Receipt, reason: String?) -> ChainError {
    ChainError(
      .reverted,
      "transaction \(receipt.transactionHash) in block \(receipt.blockNumber) was reverted: "
        + (reason ?? "the chain tells no reason"), reason: reason, receipt: receipt)
  }

  package static func wrongChain(expected: UInt64, actual: UInt64) -> ChainError {
    ChainError(
      .wrongChain, "the chain's id is \(actual), not \(expected): check the RPC address")
  }
}
