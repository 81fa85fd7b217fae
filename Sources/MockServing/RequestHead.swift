import NIOHTTP1

extension HTTPRequestHead {
  /// Whether the head says which host is asked: exactly once, and empty at worst, as HTTP/1.1 demands;
  /// at most once before (RFC 9112 §3.2).
  var namesOneHost: Bool {
    let hosts = headers["host"]
    guard hosts.count == 1 || (hosts.isEmpty && !isOfVersion11) else { return false }
    return hosts.allSatisfy { $0.utf8.allSatisfy(\.mayStandInHost) }
  }

  /// Whether the request is of HTTP/1.1, or of a later version that is read like it.
  var isOfVersion11: Bool { version.minor >= 1 }

  /// Whether the connection is to become one of another protocol.
  var asksForAnotherProtocol: Bool {
    method == .CONNECT || headers.contains(name: "upgrade")
  }
}

extension UInt8 {
  /// Whether the byte may stand in a host and its port (RFC 3986 §3.2.2 and §3.2.3).
  fileprivate var mayStandInHost: Bool {
    switch self {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "a")...UInt8(ascii: "z"):
      true
    default: "-._~!$&'()*+,;=:[]%".utf8.contains(self)
    }
  }
}
