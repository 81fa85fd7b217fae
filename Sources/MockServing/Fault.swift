import HTTPTypes

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

  /// How slowly a body goes out.
  public struct Pace: Sendable, Hashable {
    /// How many bytes at a time.
    public let bytes: Int
    /// The pause before each piece.
    public let pause: Duration

    /// A pace of at least one byte at a time.
    public init(bytes: Int, pause: Duration) {
      precondition(bytes > 0, "a pace of \(bytes) bytes")
      self.bytes = bytes
      self.pause = pause
    }
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
  /// The service handles the request; the answer's body goes out piece by piece.
  case slowBody(Pace)
}

extension Fault {
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

  /// 200 with an error inside: in both dialects' words, the request unseen by the service.
  public static var errorInside: Fault {
    .answer(
      .json(
        Array(#"{"status":"error","success":false,"message":"Injected fault"}"#.utf8)))
  }

  /// The service's answer, cut in the middle of its JSON.
  public static var malformedJSON: Fault {
    .alter { response in
      var cut = response
      cut.body = Array(response.body.prefix(max(1, response.body.count / 2)))
      return cut
    }
  }

  /// The service's answer, said to be a page.
  public static var wrongContentType: Fault {
    .alter { response in
      var page = response
      page.headers[.contentType] = "text/html; charset=utf-8"
      return page
    }
  }
}
