public import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import OutgoingHTTP
import PlumiseWire

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A transport of JSON-RPC messages to a chain.
public protocol RPCTransport: Sendable {
  /// Sends a request, or a batch, and returns the answer's bytes.
  /// - Throws: a ``ChainError`` whose code is an outage (``ChainError/Code/isOutage``) when no answer
  ///   came; `CancellationError` when cancelled.
  func send(_ body: [UInt8]) async throws -> [UInt8]
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
      throw ChainError.connectionLost(url: "the chain in this process", reason: "no answer")
    }
    return answer
  }
}

/// JSON-RPC over HTTP, with persistent connections.
public struct HTTPTransport: RPCTransport {
  /// Where the chain answers.
  public let url: String

  /// The longest answer that is read, in bytes.
  private static let maximumAnswer = 64 << 20

  /// A last bound on the time until the answer begins; the client's time-out is shorter.
  private static let longestRequest = TimeAmount.minutes(10)

  private let client: HTTPClient

  /// - Parameters:
  ///   - url: where the chain answers, as `http://127.0.0.1:26902`.
  ///   - client: a client of your own, which is shut down by you; by default one that all of the process
  ///     share.
  public init(url: String, client: HTTPClient? = nil) {
    self.url = url
    self.client = client ?? .singleAttempt
  }

  /// Posts a request and collects the answer.
  public func send(_ body: [UInt8]) async throws -> [UInt8] {
    guard URLAuthority.hasPossiblePort(in: url) else {
      throw ChainError.unreachable(url: url, reason: "a port is a whole number from 1 to 65535")
    }
    var request = HTTPClientRequest(url: url)
    request.method = .POST
    request.headers.add(name: "Content-Type", value: "application/json")
    request.body = .bytes(ByteBuffer(bytes: body))
    do {
      let response = try await client.execute(request, timeout: Self.longestRequest)
      let answer = try await response.body.collect(upTo: Self.maximumAnswer)
      guard (200..<300).contains(Int(response.status.code)) else {
        throw ChainError.httpStatus(Int(response.status.code), url: url)
      }
      return Array(answer.readableBytesView)
    } catch let error as ChainError {
      throw error
    } catch {
      // The client reports a cancelled task in a word of its own.
      try Task.checkCancellation()
      throw ChainError(error, url: url)
    }
  }
}

extension ChainError {
  fileprivate init(_ error: any Error, url: String) {
    switch error {
    case let error as NIOConnectionError:
      self =
        error.connectionErrors.contains { ($0.error as? IOError)?.errnoCode == ECONNREFUSED }
        ? .connectionRefused(url: url, cause: error)
        : .unreachable(url: url, reason: "\(error)", cause: error)
    case let error as IOError where error.errnoCode == ECONNREFUSED:
      self = .connectionRefused(url: url, cause: error)
    case let error as IOError:
      self = .connectionLost(url: url, reason: "\(error)", cause: error)
    case let error as HTTPClientError where error == .remoteConnectionClosed:
      self = .connectionLost(url: url, reason: "closed by the other side", cause: error)
    case let error as HTTPClientError where error == .connectTimeout:
      self = .unreachable(url: url, reason: "no connection within 10 seconds", cause: error)
    default:
      self = .connectionLost(url: url, reason: "\(error)", cause: error)
    }
  }
}
