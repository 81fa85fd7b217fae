import NIOCore
import NIOHTTP1

/// What RFC 9110 and RFC 9112 ask of a server beyond its routes, for one connection.
///
/// It stands between the parser and what answers requests: targets come to routes in one form, an
/// answer to HEAD goes without its body, and one to HTTP/1.0 without chunks. It also knows whom the
/// connection waits for, which ``HTTPConnections`` watches.
final class RequestRules: ChannelDuplexHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias InboundOut = HTTPServerRequestPart
  typealias OutboundIn = HTTPServerResponsePart
  typealias OutboundOut = HTTPServerResponsePart

  private struct Traits {
    var isHead = false
    var isOld = false
    /// No request follows.
    var isLast = true
  }

  private let member: HTTPConnections.Member
  /// Of the requests whose answers are not complete.
  private var open: [Traits] = []
  private var isReceiving = false
  private var isBlocked = false
  /// Answers whose end is not out yet.
  private var unsent = 0
  private var hasEnded = false

  init(_ member: HTTPConnections.Member) { self.member = member }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(var head):
      isReceiving = true
      open.append(Self.prepare(&head))
      context.fireChannelRead(wrapInboundOut(.head(head)))
    case .body:
      context.fireChannelRead(data)
    case .end:
      isReceiving = false
      context.fireChannelRead(data)
    }
    note()
  }

  private static func prepare(_ head: inout HTTPRequestHead) -> Traits {
    let isOld = head.version == .http1_0 || head.version.major == 0
    let isLast = isOld || !head.isKeepAlive
    if isLast { head.headers.replaceOrAdd(name: "connection", value: "close") }
    // A request without exactly one sound Host field comes to the routes with none.
    let hosts = head.headers["host"]
    if isOld, hosts.isEmpty {
      head.headers.add(name: "host", value: "")
    } else if hosts.count != 1 || !isHost(hosts[0]) {
      head.headers.remove(name: "host")
    }
    // HTTP/1.0 has no interim answers.
    if isOld { head.headers.remove(name: "expect") }
    head.uri = RequestTarget.normalized(head.uri)
    return Traits(isHead: head.method == .HEAD, isOld: isOld, isLast: isLast)
  }

  /// A host and a port have none of these (RFC 3986 §3.2).
  private static func isHost(_ text: String) -> Bool {
    !text.utf8.contains { $0 <= 0x20 || $0 >= 0x7f || Array("/?#@,\\\"<>".utf8).contains($0) }
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    let traits = open.first ?? Traits()
    switch unwrapOutboundIn(data) {
    case .head(let head) where (100..<200).contains(head.status.code):
      context.write(data, promise: promise)
    case .head(var head):
      if traits.isOld { head.version = .http1_0 }
      if traits.isLast { head.headers.replaceOrAdd(name: "connection", value: "close") }
      context.write(wrapOutboundOut(.head(head)), promise: promise)
    case .body where traits.isHead:
      promise?.succeed()
    case .body:
      context.write(data, promise: promise)
    case .end:
      if !open.isEmpty { open.removeFirst() }
      hasEnded = traits.isLast
      unsent += 1
      let sent = promise ?? context.eventLoop.makePromise()
      let loopBound = NIOLoopBound(self, eventLoop: context.eventLoop)
      sent.futureResult.whenComplete { _ in
        loopBound.value.unsent -= 1
        loopBound.value.note()
      }
      context.write(data, promise: sent)
      note()
    }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    isBlocked = !context.channel.isWritable
    note()
    context.fireChannelWritabilityChanged()
  }

  private func note() {
    let isWaiting = isBlocked || hasEnded || (isReceiving && open.count <= 1)
    if isWaiting || (open.isEmpty && unsent > 0) {
      member.waits(for: .client)
    } else {
      member.waits(for: open.isEmpty ? .request : .none)
    }
  }
}

/// Puts the rules behind the parser of a new connection.
final class RequestRulesInstaller: ChannelInboundHandler, RemovableChannelHandler, Sendable {
  typealias InboundIn = NIOAny

  private let connections: HTTPConnections

  init(_ connections: HTTPConnections) { self.connections = connections }

  func handlerAdded(context: ChannelHandlerContext) {
    let pipeline = context.pipeline.syncOperations
    do {
      let parser = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
      try pipeline.addHandler(
        RequestRules(connections.add(context.channel)), position: .after(parser))
    } catch {
      // No parser, no HTTP: there is nothing to be answered.
      context.close(promise: nil)
    }
  }
}

/// The target of a request line, as routes are compared with it.
enum RequestTarget {
  /// The path and the query of a target in origin or absolute form, unreserved characters written
  /// plainly (RFC 9112 §3.2, RFC 3986 §6.2.2.2).
  ///
  /// Any other target stays as it is.
  static func normalized(_ target: String) -> String {
    let origin = originForm(Array(target.utf8)[...])
    let path = origin.prefix { $0 != UInt8(ascii: "?") }
    return String(decoding: plain(path) + origin[path.endIndex...], as: UTF8.self)
  }

  private static func originForm(_ target: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    for scheme in ["http://", "https://"] where target.lowercased(scheme.utf8.count) == scheme {
      let rest = target.dropFirst(scheme.utf8.count).drop {
        $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?")
      }
      return rest.first == UInt8(ascii: "/") ? rest : [UInt8(ascii: "/")] + rest
    }
    return target
  }

  /// Other characters keep their escapes: `%2F` is no slash.
  private static func plain(_ path: ArraySlice<UInt8>) -> [UInt8] {
    var plain: [UInt8] = []
    var rest = path
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), let value = rest.hexadecimalPair, isUnreserved(value) {
        plain.append(value)
        rest = rest.dropFirst(2)
      } else {
        plain.append(byte)
      }
    }
    return plain
  }

  private static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: Array("-._~".utf8).contains(byte)
    }
  }
}

extension ArraySlice<UInt8> {
  /// The first bytes as a text in small letters.
  fileprivate func lowercased(_ count: Int) -> String {
    String(decoding: prefix(count), as: UTF8.self).lowercased()
  }

  /// The byte that the next two digits spell; a sign is none.
  fileprivate var hexadecimalPair: UInt8? {
    let digits = prefix(2)
    guard digits.count == 2, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else {
      return nil
    }
    return UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
  }
}
