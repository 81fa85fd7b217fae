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
public struct InMemoryTransport: RPCTransport {
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
