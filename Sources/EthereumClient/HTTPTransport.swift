import AsyncHTTPClient
import NIOCore
import NIOPosix
import PlumiseWire

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// JSON-RPC over HTTP, with connections that are kept.
public struct HTTPTransport: RPCTransport {
  /// Where the chain answers.
  public let url: String

  /// One client a process: its connections are kept between requests and closed with the process.
  private static let client: HTTPClient = {
    var configuration = HTTPClient.Configuration(
      redirectConfiguration: .disallow,
      timeout: .init(connect: .seconds(10), read: longestRequest))
    configuration.httpVersion = .http1Only
    // Whoever asks decides about retries: a refused connection is an answer, and a fast one.
    configuration.connectionPool.retryConnectionEstablishment = false
    return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }()

  /// The longest answer that is read, in bytes.
  private static let maximumAnswer = 64 << 20

  /// A backstop until the answer begins, should nobody else watch the time.
  private static let longestRequest = TimeAmount.minutes(10)

  /// - Parameter url: where the chain answers, as `http://127.0.0.1:26902`.
  public init(url: String) { self.url = url }

  /// Posts a request and collects the answer.
  public func send(_ body: [UInt8]) async throws -> [UInt8] {
    guard URLPort.isPossible(in: url) else {
      throw TransportError.other(url: url, reason: "a port is a whole number from 1 to 65535")
    }
    var request = HTTPClientRequest(url: url)
    request.method = .POST
    request.headers.add(name: "Content-Type", value: "application/json")
    request.body = .bytes(ByteBuffer(bytes: body))
    do {
      let response = try await Self.client.execute(request, timeout: Self.longestRequest)
      let answer = try await response.body.collect(upTo: Self.maximumAnswer)
      guard (200..<300).contains(Int(response.status.code)) else {
        throw TransportError.httpStatus(Int(response.status.code), url: url)
      }
      return Array(answer.readableBytesView)
    } catch let error as TransportError {
      throw error
    } catch {
      // The client reports a cancelled task in a word of its own.
      try Task.checkCancellation()
      throw TransportError(error, url: url)
    }
  }
}

extension TransportError {
  fileprivate init(_ error: any Error, url: String) {
    switch error {
    case let error as NIOConnectionError:
      self =
        error.connectionErrors.contains { ($0.error as? IOError)?.errnoCode == ECONNREFUSED }
        ? .connectionRefused(url: url) : .other(url: url, reason: "\(error)")
    case let error as IOError where error.errnoCode == ECONNREFUSED:
      self = .connectionRefused(url: url)
    case let error as IOError:
      self = .connectionLost(url: url, reason: "\(error)")
    case let error as HTTPClientError where error == .remoteConnectionClosed:
      self = .connectionLost(url: url, reason: "closed by the other side")
    case let error as HTTPClientError where error == .connectTimeout:
      self = .other(url: url, reason: "no connection within 10 seconds")
    default:
      self = .connectionLost(url: url, reason: "\(error)")
    }
  }
}
