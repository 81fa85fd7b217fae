import Foundation
import MockServing
import TestSupport
import Testing

@Suite("Sockets of a server", .timeLimit(.minutes(5))) struct SocketOptionTests {
  @Test("A connection sends small answers at once, and has no option that only root may set")
  func options() async throws {
    try await withWebServer(respond: { _ in .text("answer") }) { address async throws in
      try await RawClient.connected(to: address) { client async throws in
        try await client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        _ = try await client.received.next()
        let sockets = accepted(at: address.port)
        #expect(sockets.count == 1)
        for socket in sockets {
          #expect(option(TCP_NODELAY, CInt(IPPROTO_TCP), of: socket) != 0)
          // Its number at the level of sockets is that of TCP_NODELAY at TCP's.
          #expect(option(SO_DEBUG, SOL_SOCKET, of: socket) == 0)
        }
      }
    }
  }

  /// The sockets of this process that a port of its own has accepted.
  private func accepted(at port: Int) -> [CInt] {
    (0..<CInt(4096)).filter { descriptor in
      var (local, remote) = (sockaddr_in(), sockaddr_in())
      guard name(&local, descriptor, getsockname), name(&remote, descriptor, getpeername) else {
        return false
      }
      return local.sin_family == sa_family_t(AF_INET)
        && Int(UInt16(bigEndian: local.sin_port)) == port
    }
  }

  private func name(
    _ address: inout sockaddr_in, _ descriptor: CInt,
    _ ask: (CInt, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt
  ) -> Bool {
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    return withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        ask(descriptor, $0, &length) == 0
      }
    }
  }

  private func option(_ name: CInt, _ level: CInt, of socket: CInt) -> CInt? {
    var (value, length) = (CInt(0), socklen_t(MemoryLayout<CInt>.size))
    return getsockopt(socket, level, name, &value, &length) == 0 ? value : nil
  }
}
