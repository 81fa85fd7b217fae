package import AsyncHTTPClient
package import NIOCore

extension HTTPClient.Configuration {
  /// How this package's clients connect: once, to the address that they were given.
  ///
  /// The library would try again and again until its own time-out, where a refused connection is an
  /// answer, and a fast one: whoever asks decides about retries. No redirect is followed, since what is
  /// sent, often signed, is meant for one service.
  ///
  /// - Parameter read: how long the service may be silent.
  package static func singleAttempt(read: TimeAmount = .minutes(10)) -> HTTPClient.Configuration {
    var configuration = HTTPClient.Configuration(
      redirectConfiguration: .disallow, timeout: .init(connect: .seconds(10), read: read))
    configuration.httpVersion = .http1Only
    configuration.connectionPool.retryConnectionEstablishment = false
    return configuration
  }
}

extension HTTPClient {
  /// One client for everything in the process that calls a service, on NIO's shared event loops.
  ///
  /// Its connections are kept between requests; it lives as long as the process does. Each request has
  /// a deadline of its own, which is shorter than the client's.
  package static let singleAttempt = HTTPClient(
    eventLoopGroupProvider: .singleton, configuration: .singleAttempt())
}
