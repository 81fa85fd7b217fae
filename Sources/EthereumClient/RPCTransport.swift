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

/// How JSON-RPC bytes get to a chain and back.
public protocol RPCTransport: Sendable {
  /// Sends a request, or a batch, and returns the answer's bytes.
  /// - Throws: ``TransportError`` when no answer came; `CancellationError` when cancelled.
  func send(_ body: [UInt8]) async throws -> [UInt8]
}

/// Why no answer came.
public enum TransportError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Nothing listens there.
  case connectionRefused(url: String)
  /// The connection was reset or closed before the answer was complete.
  case connectionLost(url: String, reason: String)
  /// Something answered, but not JSON-RPC: the HTTP status.
  case httpStatus(Int, url: String)
  /// Anything else that the network says.
  case other(url: String, reason: String)

  /// One line: what happened, and where.
  public var description: String {
    switch self {
    case .connectionRefused(let url): "nothing listens at \(url)"
    case .connectionLost(let url, let reason): "the connection to \(url) was lost: \(reason)"
    case .httpStatus(let status, let url): "\(url) answered with HTTP status \(status)"
    case .other(let url, let reason): "\(url) cannot be reached: \(reason)"
    }
  }
}

/// A chain in this process.
public struct InMemoryRPCTransport: RPCTransport {
  private let respond: @Sendable ([UInt8]) async -> [UInt8]?

  /// - Parameter respond: takes JSON-RPC bytes and gives the answer; nil when there is none, as
  ///   for a notification.
  public init(_ respond: @escaping @Sendable ([UInt8]) async -> [UInt8]?) {
    self.respond = respond
  }

  /// Sends a request to the closure.
  public func send(_ body: [UInt8]) async throws -> [UInt8] {
    guard let answer = await respond(body) else {
      throw TransportError.connectionLost(url: "the chain in this process", reason: "no answer")
    }
    return answer
  }
}

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

  /// A last bound on the time until the answer begins; the client's time-out is shorter.
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
