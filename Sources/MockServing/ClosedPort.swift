import NIOCore

#if canImport(Glibc)
  import Glibc
  private let streamSocket = Int32(SOCK_STREAM.rawValue)
#elseif canImport(Musl)
  import Musl
  private let streamSocket = SOCK_STREAM
#elseif canImport(Darwin)
  import Darwin
  private let streamSocket = SOCK_STREAM
#endif

/// Holds a port of 127.0.0.1 on which nobody listens while a body runs: whoever connects is
/// refused.
///
/// A socket is bound to the port and never listens, so that no other server of this machine gets
/// the port meanwhile, as it may get one that a server has given back.
/// - Parameter body: what is done with the address that refuses.
/// - Throws: ``ServingError`` when no port can be bound, and whatever `body` throws.
public func withClosedPort<R: Sendable>(
  isolation: isolated (any Actor)? = #isolation, _ body: (ServerAddress) async throws -> R
) async throws -> R {
  let configuration = ServerConfiguration(serviceName: "closed port")
  let descriptor = socket(AF_INET, streamSocket, 0)
  guard descriptor >= 0 else {
    throw ServingError(IOError(errnoCode: errno, reason: "socket"), configuration)
  }
  defer { close(descriptor) }
  guard let port = bindToFreePort(descriptor) else {
    throw ServingError(IOError(errnoCode: errno, reason: "bind"), configuration)
  }
  return try await body(ServerAddress(host: configuration.host, port: port))
}

/// Binds a socket to any free port of 127.0.0.1.
/// - Returns: the port, or `nil` with the reason in `errno`.
private func bindToFreePort(_ descriptor: Int32) -> Int? {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  let failure = withUnsafeMutablePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
      bind(descriptor, pointer, length) != 0 || getsockname(descriptor, pointer, &length) != 0
    }
  }
  return failure ? nil : Int(UInt16(bigEndian: address.sin_port))
}
