public import AsyncHTTPClient
import NIOCore

/// Reports over HTTP or HTTPS, through a client that keeps connections alive.
public struct HTTPReportTransport: ReportTransport {
  /// The longest answer that is read; a report's answer is one line.
  private static let longestAnswer = 1 << 20

  /// One client for all reporters of the process, on NIO's shared event loops; it lives as long as
  /// the process does.
  ///
  /// It connects once per report, where the library would try again and again until its own
  /// time-out: that nobody listens is an outage to be told at once. It follows no redirect, since
  /// a signed report is meant for one oracle.
  private static let sharedClient = {
    var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
    configuration.connectionPool.retryConnectionEstablishment = false
    return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }()

  private let client: HTTPClient

  /// Makes a transport.
  /// - Parameter client: a client of your own, which brings its own certificates and is shut down
  ///   by you; by default one that all reporters of the process share.
  public init(client: HTTPClient? = nil) {
    self.client = client ?? Self.sharedClient
  }

  /// Posts one report.
  public func post(_ request: ReportRequest) async throws -> ReportAnswer {
    var outgoing = HTTPClientRequest(url: request.url)
    outgoing.method = .POST
    outgoing.headers.add(name: "Content-Type", value: "application/json")
    outgoing.headers.add(name: "Accept", value: "application/json")
    outgoing.body = .bytes(ByteBuffer(bytes: request.body))
    // The reporter's clock decides when it is over; the client's deadline is only a backstop.
    let response = try await client.execute(outgoing, timeout: .hours(1))
    let body = try await response.body.collect(upTo: Self.longestAnswer)
    return ReportAnswer(
      status: Int(response.status.code),
      retryAfter: response.headers.first(name: "Retry-After").flatMap(Int64.init)
        .flatMap { $0 < 0 ? nil : .seconds($0) },
      body: Array(body.readableBytesView))
  }
}
