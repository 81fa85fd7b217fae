/// One thing that goes wrong with one request.
public enum Fault: Sendable {
  /// How a connection ends before its time.
  public enum Ending: Sendable, Hashable {
    /// An orderly end (FIN).
    case close
    /// A reset (RST): the peer reads "connection reset by peer".
    case reset
  }

  /// At which point a connection ends.
  public enum Moment: Sendable, Hashable {
    /// The service never sees the request.
    case beforeHandling
    /// The service handled the request; the answer is lost.
    case beforeAnswer
    /// The head went out, with the whole body's length, and then this many bytes of the body.
    case midBody(after: Int)
    /// The whole answer went out.
    case afterAnswer
  }

  /// The request waits this long, on the script's clock, and is then handled as usual.
  case delay(Duration)
  /// The service never sees the request, and no answer comes; the connection stays open.
  case neverAnswer
  /// The connection ends.
  case drop(Moment, Ending = .close)
  /// This answer is given; the service never sees the request.
  case answer(WebResponse)
  /// The service handles the request; its answer is changed on the way out.
  case alter(@Sendable (WebResponse) -> WebResponse)

  /// An answer with this status and an empty body.
  public static func status(_ code: Int) -> Fault {
    .answer(WebResponse(status: .init(code: code)))
  }

  /// 429 with `Retry-After` in whole seconds.
  public static func tooManyRequests(retryAfter seconds: Int) -> Fault {
    .answer(
      .json(
        Array(#"{"status":"error","message":"Too many requests"}"#.utf8),
        status: .tooManyRequests, headers: [.retryAfter: String(seconds)]))
  }
}
