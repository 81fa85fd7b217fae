import Foundation

/// Runs a body while something listens on a port of 127.0.0.1: a socket of ours, or whoever has the
/// port already.
func withTakenPort<R: Sendable>(_ port: UInt16, _ body: () async throws -> R) async throws -> R {
  #if canImport(Glibc)
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  #else
    let descriptor = socket(AF_INET, SOCK_STREAM, 0)
  #endif
  guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
  defer { close(descriptor) }
  // As servers do: connections that linger after their end do not take a port.
  var yes: Int32 = 1
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port.bigEndian
  address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  let size = socklen_t(MemoryLayout<sockaddr_in>.size)
  let failed = withUnsafePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      bind(descriptor, $0, size) != 0 || listen(descriptor, 1) != 0
    }
  }
  if failed, errno != EADDRINUSE { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
  return try await body()
}
