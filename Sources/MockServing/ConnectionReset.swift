import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

extension Channel {
  /// Makes the next close a reset: with a linger time of zero the system drops what is unsent and
  /// sends RST in place of FIN (socket(7), SO_LINGER).
  func resetOnClose() -> EventLoopFuture<Void> {
    guard let options = self as? any SocketOptionProvider else {
      return eventLoop.makeSucceededVoidFuture()
    }
    return options.setSoLinger(linger(l_onoff: 1, l_linger: 0))
  }
}
