public import PlumiseWire

/// Why a question to the chain was not answered.
public enum EthereumClientError: Error, Hashable, Sendable, CustomStringConvertible {
  /// No answer came: the chain may be down. Whether it saw the request is not known.
  case outage(TransportError)
  /// The chain answered that it will not.
  case refused(method: String, RPCFailure)
  /// The call was reverted; the reason is the program's own, when it gave one.
  case reverted(reason: String?, data: [UInt8])
  /// The wait was longer than allowed.
  case timedOut(waitingFor: String, after: Duration)
  /// The answer is not what the method's answer should be.
  case malformedAnswer(method: String, reason: String)

  /// One line: what happened.
  public var description: String {
    switch self {
    case .outage(let error): "\(error)"
    case .refused(let method, let failure):
      "\(method) was refused: \(failure.message) (\(failure.code))"
    case .reverted(let reason, _): "execution reverted" + (reason.map { ": \($0)" } ?? "")
    case .timedOut(let what, let duration): "no \(what) within \(duration)"
    case .malformedAnswer(let method, let reason): "malformed answer to \(method): \(reason)"
    }
  }

  init(_ failure: RPCFailure, method: String) {
    guard failure.code == 3 else {
      self = .refused(method: method, failure)
      return
    }
    let data = RevertData.bytes(in: failure.data) ?? []
    self = .reverted(reason: RevertData.words(data), data: data)
  }
}
