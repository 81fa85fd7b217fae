import AsyncPrimitives
import MockServing
package import NIOCore
import NIOPosix
public import PetalsNode
import Synchronization

/// A TCP proxy in front of a node, which a test can stall or disconnect: all of it at once, or some of
/// its connections by a ``LinkFaultRule``.
///
/// The node itself keeps running, as behind an unplugged cable. The link exists within
/// ``withFaultyLink(to:isolation:_:)``.
public final class FaultyLink: Sendable {
  private enum Mode: Sendable {
    case open
    case held
    case cut
  }

  private struct State: Sendable {
    var mode = Mode.open
    var channels: [any Channel] = []
    var rules: [LinkFaultRule] = []
    var chance = SeededGenerator(seed: 0)
    /// How often the link was released: a connection that a rule held before is held no more.
    var releases = 0

    /// The fault that the next connection meets, if any: that of the first rule which says so.
    mutating func takeFault() -> LinkFault? {
      for index in rules.indices {
        var rule = rules[index]
        let isMet = rule.schedule.takeOccasion { chance.unit() < $0 }
        rules[index] = rule
        if isMet { return rule.fault }
      }
      return nil
    }
  }

  /// The node's address through this link.
  public let peer: PeerAddress
  private let state = Mutex(State())
  private let listener: any Channel
  /// What is told which calls the link holds.
  private let monitor: IdleMonitor?
  private let receivedWhileHeld = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

  fileprivate init(peer: PeerAddress, listener: any Channel, monitor: IdleMonitor?) {
    self.peer = peer
    self.listener = listener
    self.monitor = monitor
  }

  /// Adds a fault of connections that are made from here on, behind those that were added before.
  public func add(_ rule: LinkFaultRule) { state.withLock { $0.rules.append(rule) } }

  /// Begins chance anew, which decides about faults with a probability: the same connections in the
  /// same order meet the same faults.
  public func seed(_ seed: UInt64) { state.withLock { $0.chance = SeededGenerator(seed: seed) } }

  /// Takes the faults of connections back; what they met stays as it is.
  public func clearFaults() { state.withLock { $0.rules = [] } }

  /// Reads everything from here on and forwards nothing: the node accepts, and never answers.
  public func hold() {
    state.withLock { if $0.mode == .open { $0.mode = .held } }
  }

  /// Ends every hold, that of ``hold()`` and those of rules, and takes the rules back.
  ///
  /// What was read meanwhile is forwarded, in its order, and so is all that follows. A link that was
  /// cut stays cut.
  public func release() {
    let channels = state.withLock { state in
      state.rules = []
      state.releases += 1
      if state.mode == .held { state.mode = .open }
      return state.channels
    }
    monitor?.releaseAll(calls)
    for channel in channels {
      channel.pipeline.fireUserInboundEventTriggered(RelayHandler.Release())
    }
  }

  /// Waits until a held link has read bytes that it does not forward.
  ///
  /// - Throws: `CancellationError`.
  public func waitUntilHolding() async throws {
    for await _ in receivedWhileHeld.stream { return }
    throw CancellationError()
  }

  /// Closes every connection, and refuses new ones, as if the node were gone.
  public func cut() async {
    let channels = state.withLock { state in
      state.mode = .cut
      defer { state.channels = [] }
      return state.channels
    }
    monitor?.releaseAll(calls)
    for channel in [listener] + channels {
      do {
        try await channel.close()
      } catch {
        // It was closed by the other side already.
      }
    }
  }

  /// Takes a connection in; one that was accepted before the link was cut and comes after is closed.
  package func opened(_ channel: any Channel) {
    let isCut = state.withLock { state in
      if state.mode != .cut { state.channels.append(channel) }
      return state.mode == .cut
    }
    if isCut { channel.close(promise: nil) }
  }

  /// How clients' calls through this link are counted.
  private var calls: [UInt8] { Array(peer.description.utf8) }

  fileprivate var isOpen: Bool { state.withLock { $0.mode == .open } }

  fileprivate func takeFault() -> LinkFault? { state.withLock { $0.takeFault() } }

  /// How often the link was released up to now.
  fileprivate var releases: Int { state.withLock { $0.releases } }

  /// Whether bytes are to be forwarded.
  /// - Parameter heldAt: For a connection that a rule holds, how often the link was released before.
  fileprivate func passes(heldAt: Int?) -> Bool {
    let (mode, isHeld) = state.withLock { ($0.mode, $0.releases == heldAt) }
    if mode == .held || isHeld {
      monitor?.holdAll(calls)
      receivedWhileHeld.continuation.yield()
    }
    return mode == .open && !isHeld
  }
}

/// Runs a body with a faulty link to a node; nothing of it is left when this returns.
///
/// A link whose task is cancelled is released (``FaultyLink/release()``), so that nothing waits for
/// what it holds.
///
/// - Throws: what listening throws, and what `body` throws.
public func withFaultyLink<Result: Sendable>(
  to node: PeerAddress, isolation: isolated (any Actor)? = #isolation,
  _ body: (FaultyLink) async throws -> Result
) async throws -> Result {
  try await withFaultyLink(to: node, monitoredBy: nil, body)
}

/// Runs a body with a faulty link, which tells a monitor the calls that it holds.
func withFaultyLink<Result: Sendable>(
  to node: PeerAddress, monitoredBy monitor: IdleMonitor?,
  isolation: isolated (any Actor)? = #isolation, _ body: (FaultyLink) async throws -> Result
) async throws -> Result {
  let made = Mutex<FaultyLink?>(nil)
  let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
    .childChannelInitializer { inbound in
      guard let link = made.withLock({ $0 }) else { return inbound.close() }
      return link.connect(inbound, to: node)
    }
    .bind(host: "127.0.0.1", port: 0).get()
  guard let port = listener.localAddress?.port else {
    throw ChannelError.inappropriateOperationForState
  }
  let link = FaultyLink(
    peer: try PeerAddress(host: "127.0.0.1", port: port), listener: listener, monitor: monitor)
  made.withLock { $0 = link }
  let outcome: Swift.Result<Result, any Error>
  do {
    outcome = .success(
      try await withTaskCancellationHandler {
        try await body(link)
      } onCancel: {
        link.release()
      })
  } catch {
    outcome = .failure(error)
  }
  await link.cut()
  return try outcome.get()
}

extension FaultyLink {
  /// Connects to the node for an accepted connection; both run on one event loop.
  fileprivate func connect(
    _ inbound: any Channel, to node: PeerAddress
  ) -> EventLoopFuture<Void> {
    let fault = takeFault()
    if fault == .close { return inbound.close() }
    let heldAt = fault == .hold ? releases : nil
    opened(inbound)
    return ClientBootstrap(group: inbound.eventLoop)
      .channelOption(.autoRead, value: false)
      .channelInitializer { outbound in
        self.opened(outbound)
        return outbound.eventLoop.makeCompletedFuture {
          try outbound.pipeline.syncOperations.addHandler(
            RelayHandler(link: self, other: inbound, heldAt: heldAt))
        }
      }
      .connect(host: node.host, port: node.port)
      .flatMapThrowing { outbound in
        try inbound.pipeline.syncOperations.addHandler(
          RelayHandler(link: self, other: outbound, heldAt: heldAt))
      }
  }
}

/// Forwards the bytes of one connection to the other.
private final class RelayHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  /// What a released link sends through its connections.
  struct Release: Sendable {}

  private let link: FaultyLink
  private let other: any Channel
  private let heldAt: Int?
  /// What was read while the link was held, in order.
  private var held: [ByteBuffer] = []
  private var hasEnded = false

  init(link: FaultyLink, other: any Channel, heldAt: Int?) {
    self.link = link
    self.other = other
    self.heldAt = heldAt
  }

  func channelActive(context: ChannelHandlerContext) {
    // The node may speak from the moment that someone listens to it.
    other.setOption(.autoRead, value: true).whenComplete { _ in }
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    held.append(unwrapInboundIn(data))
    forward()
  }

  func channelInactive(context: ChannelHandlerContext) {
    hasEnded = true
    if link.isOpen { other.close(promise: nil) }
    context.fireChannelInactive()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event is Release {
      forward()
      if hasEnded { other.close(promise: nil) }
    }
    context.fireUserInboundEventTriggered(event)
  }

  private func forward() {
    guard link.passes(heldAt: heldAt) else { return }
    for bytes in held { other.writeAndFlush(bytes, promise: nil) }
    held = []
  }
}
