#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Keeps a port for a part that does not run, so that it finds its port free when it starts again.
///
/// A socket is bound to the port and does not listen: a client that connects is refused, as by a
/// machine on which nothing runs, and the system gives the port to nobody who asks for any free one.
/// Whoever names the port can listen on it (`SO_REUSEADDR`, ip(7), socket(7)).
final class PortReservation: Sendable {
  private let descriptor: Int32

  /// Reserves a port of 127.0.0.1.
  /// - Returns: nil when the system does not let it be reserved: then another program may take it.
  init?(of port: Int) {
    #if canImport(Glibc)
      descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    #else
      descriptor = socket(AF_INET, SOCK_STREAM, 0)
    #endif
    guard descriptor >= 0, let port = in_port_t(exactly: port) else { return nil }
    var isReusable: Int32 = 1
    setsockopt(
      descriptor, SOL_SOCKET, SO_REUSEADDR, &isReusable, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let isBound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    guard isBound else { return nil }
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }
}
