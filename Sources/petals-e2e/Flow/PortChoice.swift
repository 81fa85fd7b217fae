import EthereumPrimitives
import Foundation

/// Which ports a network takes.
enum PortChoice: String, CaseIterable, Sendable {
  /// Those of the documentation: chain 26902, oracle 3100, nodes from 31330.
  case documented
  /// Any free ones.
  case auto

  var chain: Int { self == .documented ? 26902 : 0 }
  var oracle: Int { self == .documented ? 3100 : 0 }

  var gateway: Int { self == .documented ? 3200 : 0 }
  /// The port of the network's page.
  var page: Int { self == .documented ? 8080 : 0 }

  func node(_ index: Int) -> Int { self == .documented ? 31330 + index : 0 }
  /// The port of an agent's gRPC service, from the agents' own default on.
  func agent(_ index: Int) -> Int { self == .documented ? 50051 + index : 0 }
  /// The port of an agent's HTTP API, from the agents' own default on.
  func agentHTTP(_ index: Int) -> Int { self == .documented ? 31331 + index : 0 }

  /// Every port that must be free before anything starts.
  func fixed(nodes: Int, of kind: NetworkKind = .documented) -> [Int] {
    guard self == .documented else { return [] }
    let indices = 0..<nodes
    return switch kind {
    case .documented: [chain, oracle] + indices.map(node)
    case .agents: [chain, oracle, gateway] + indices.map(agent) + indices.map(agentHTTP)
    }
  }
}

/// Asks the system about a port on this machine.
enum LocalPort {
  /// Whether nothing listens on the port of 127.0.0.1.
  static func isFree(_ port: Int) -> Bool {
    let socket = socket(AF_INET, Int32(streamSocket), 0)
    guard socket >= 0 else { return false }
    defer { close(socket) }
    // As servers do: connections that linger after their end do not hold a port.
    var yes: Int32 = 1
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(clamping: port)).bigEndian
    address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }

  /// Ports that are free now, each another one; the system gives them to nobody else for a while.
  ///
  /// - Throws: `CommandFailure` when the system has too few.
  static func free(_ count: Int) throws -> [Int] {
    // All are held until the last one is known: the system may give one that was let go again.
    let sockets = (0..<count).map { _ in socket(AF_INET, Int32(streamSocket), 0) }
    defer { for socket in sockets where socket >= 0 { close(socket) } }
    return try sockets.map(bindToFreePort)
  }

  private static func bindToFreePort(_ socket: Int32) throws -> Int {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, length) == 0 && getsockname(socket, $0, &length) == 0
      }
    }
    guard isBound else {
      throw CommandFailure.failed("there is no free port: \(String(cString: strerror(errno)))")
    }
    return Int(UInt16(bigEndian: address.sin_port))
  }

  /// - Throws: `CommandFailure` (wrong input) that names the first port in use.
  static func requireFree(_ ports: [Int]) throws {
    for port in ports where !isFree(port) { throw inUse(port) }
  }

  /// What `run` and `up` say about a port that another program has.
  static func inUse(_ port: Int) -> CommandFailure {
    .wrongInput(
      "port \(port) is in use; stop what listens there, or take free ports with --ports auto")
  }

  #if canImport(Glibc)
    private static let streamSocket = SOCK_STREAM.rawValue
  #else
    private static let streamSocket = SOCK_STREAM
  #endif
}
