/// One report on its way: `POST url` with a JSON body.
public struct ReportRequest: Sendable, Hashable {
  /// Where to.
  public let url: String
  /// The JSON text, exactly as signed and serialised.
  public let body: [UInt8]

  /// Makes a request.
  public init(url: String, body: [UInt8]) {
    self.url = url
    self.body = body
  }
}

/// What the oracle answered.
public struct ReportAnswer: Sendable, Hashable {
  /// The HTTP status.
  public let status: Int
  /// How long the `Retry-After` header asks to wait, when it holds seconds or a date.
  public let retryAfter: Duration?
  /// The body's bytes.
  public let body: [UInt8]

  /// Makes an answer.
  public init(status: Int, retryAfter: Duration? = nil, body: [UInt8]) {
    self.status = status
    self.retryAfter = retryAfter
    self.body = body
  }
}

/// How reports reach the oracle: over HTTP, or in memory.
public protocol ReportTransport: Sendable {
  /// Posts one report and returns whatever was answered, errors included.
  ///
  /// It has no time-out of its own: the reporter cancels the task when its own clock says so.
  /// - Throws: any error when there is no answer: nobody listens, the connection broke.
  func post(_ request: ReportRequest) async throws -> ReportAnswer
}

/// A transport that is a function: a service in the same process, or a test.
public struct InMemoryReportTransport: ReportTransport {
  private let answer: @Sendable (ReportRequest) async throws -> ReportAnswer

  /// Makes a transport that hands every request to a function.
  public init(_ answer: @escaping @Sendable (ReportRequest) async throws -> ReportAnswer) {
    self.answer = answer
  }

  /// Posts one report to the function.
  public func post(_ request: ReportRequest) async throws -> ReportAnswer {
    try await answer(request)
  }
}
