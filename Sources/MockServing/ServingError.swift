import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
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
