import GRPCCore
import GRPCNIOTransportHTTP2
import NIOCore
import NIOPosix

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

extension NodeConfiguration.Endpoint {
  /// The address to listen on; a name is looked up.
  ///
  /// - Throws: ``NodeStartError/cannotListen(host:port:reason:)`` for a name without an address.
  func socketAddress() async throws -> GRPCNIOTransportHTTP2.SocketAddress {
    if host.isIPv4 { return .ipv4(host: host, port: port) }
    if host.contains(":") { return .ipv6(host: host, port: port) }
    let resolved = try await translating {
      try await offPool { [host, port] in
        try NIOCore.SocketAddress.makeAddressResolvingHost(host, port: port)
      }
    }
    guard let address = resolved.ipAddress else {
      throw NodeStartError.cannotListen(host: host, port: port, reason: "it has no address")
    }
    return address.isIPv4 ? .ipv4(host: address, port: port) : .ipv6(host: address, port: port)
  }

  /// Puts the system's reasons for not listening into words.
  func translating<Output: Sendable>(
    _ work: () async throws -> Output
  ) async throws -> Output {
    do {
      return try await work()
    } catch let error as NodeStartError {
      throw error
    } catch {
      throw startError(error)
    }
  }

  private func startError(_ error: any Error) -> NodeStartError {
    // gRPC wraps the system's error.
    if let runtime = error as? RuntimeError, let cause = runtime.cause {
      return startError(cause)
    }
    if let system = error as? IOError, system.errnoCode == EADDRINUSE {
      return .portInUse(host: host, port: port)
    }
    return .cannotListen(host: host, port: port, reason: "\(error)")
  }
}
