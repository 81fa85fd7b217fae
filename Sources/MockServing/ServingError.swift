import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Why a server did not start.
public enum ServingError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Another program listens on the port.
  case portInUse(port: Int, service: String)
  /// The system does not let this user listen on the port.
  case portForbidden(port: Int, service: String)
  /// The host cannot be listened on: not an address of this machine, or not an address at all.
  case cannotListen(host: String, port: Int, service: String, reason: String)

  /// One line: what is wrong, and what to do.
  public var description: String {
    switch self {
    case .portInUse(let port, let service):
      "port \(port) is in use: stop the program that listens there, "
        + "or give the \(service) another port (0 takes any free one)"
    case .portForbidden(let port, let service):
      "port \(port) may not be used by this user: give the \(service) a port above 1023"
    case .cannotListen(let host, let port, let service, let reason):
      "the \(service) cannot listen on \(host):\(port): \(reason)"
    }
  }

  /// Puts the system's error in the server's words.
  package init(_ error: any Error, _ configuration: ServerConfiguration) {
    let (host, port) = (configuration.host, configuration.port)
    let service = configuration.serviceName
    self =
      switch (error as? IOError)?.errnoCode {
      case EADDRINUSE: .portInUse(port: port, service: service)
      case EACCES: .portForbidden(port: port, service: service)
      default:
        .cannotListen(host: host, port: port, service: service, reason: String(describing: error))
      }
  }
}

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

/// How many files, connections among them, the process may have open at once.
public enum OpenFiles {
  #if canImport(Darwin)
    /// What macOS takes on every machine; more may be refused.
    private static let most: rlim_t = 10_240
  #else
    /// As many as any process here has needed, with much to spare.
    private static let most: rlim_t = 65_536
  #endif

  /// Lets the process open as many files as the system allows it, up to 65 536 (macOS: 10 240).
  ///
  /// Many logins begin with 1024 (macOS with 256), which a test run that holds both ends of its
  /// connections goes beyond. Servers call this as they start; where it is refused, the limit stays.
  public static func raiseLimit() { raised }

  private static let raised: Void = {
    #if canImport(Glibc)
      let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
      let resource = RLIMIT_NOFILE
    #endif
    var limit = rlimit()
    guard getrlimit(resource, &limit) == 0 else { return }
    let wanted = min(limit.rlim_max, most)
    guard limit.rlim_cur < wanted else { return }
    limit.rlim_cur = wanted
    // A refusal leaves what there was.
    _ = setrlimit(resource, &limit)
  }()
}
