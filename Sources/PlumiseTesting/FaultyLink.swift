import AsyncPrimitives
import MockServing
package import NIOCore
import NIOPosix
public import PetalsNode
import Synchronization

/// A TCP proxy in front of a node or another server, which a test can stall, disconnect and slow down: all
/// of it at once, or some of its connections by a ``LinkFaultRule``.
///
/// The server itself keeps running, as behind an unplugged cable. The link exists within
/// ``withFaultyLink(to:clock:isolation:_:)``, or as ``NetworkNode/link`` in a network.
public final class FaultyLink: Sendable {
  private struct State: Sendable {
    var listener: (any Channel)?
    var isCut = false
    /// The directions that ``hold(_:)`` has stalled.
    var held: Set<LinkDirection> = []
    var channels: [ObjectIdentifier: any Channel] = [:]
    /// What has each relay forward what it holds, also one whose own channel is closed.
    var relays: [Int: @Sendable () -> Void] = [:]
    var lastRelay = 0
    var rules: [(id: Int, rule: LinkFaultRule)] = []
    var lastRule = 0
    var seed: UInt64 = 0
    var chance = SeededGenerator(seed: 0)
    /// How many connections were made since the seed was set.
    var connections: UInt64 = 0
    /// How often the link was released: a connection that a rule held before is held no more.
    var releases = 0
    /// The connections of relays whose pieces wait for their time, by the relay.
    var waiting: [ObjectIdentifier: [any Channel]] = [:]
    /// Both sides of each connection that a rule holds until the link is released.
    var heldByRules: [[any Channel]] = []
    /// Keeps the port while the link is cut.
    var reservation: PortReservation?

    /// The faults that the next connection meets: in each direction that of the first rule which says so.
    mutating func takeFaults() -> LinkConnection {
      var faults: [LinkDirection: LinkFault] = [:]
      for index in rules.indices {
        var rule = rules[index].rule
        let open = rule.direction.ways.filter { faults[$0] == nil }
        guard !open.isEmpty else { continue }
        let isMet = rule.schedule.takeOccasion { chance.unit() < $0 }
        rules[index].rule = rule
        if isMet { for way in open { faults[way] = rule.fault } }
      }
      rules.removeAll { $0.rule.schedule.isExhausted }
      connections += 1
      return LinkConnection(faults: faults, seed: seed &+ connections, releases: releases)
    }
  }

  /// The server's address through this link.
  public let peer: PeerAddress
  /// Measures delays.
  let clock: any Clock<Duration>
  /// What is told which calls the link holds.
  let monitor: IdleMonitor?
  /// The pacing of all connections.
  let pacing: TaskScope
  let watch: Stopwatch
  private let server: PeerAddress
  private let state = Mutex(State())
  private let changes = OrderedChanges<Change>()
  private let receivedWhileHeld = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

  private init(
    peer: PeerAddress, to server: PeerAddress, clock: any Clock<Duration>, _ monitor: IdleMonitor?
  ) {
    self.peer = peer
    self.server = server
    self.clock = clock
    self.monitor = monitor
    watch = Stopwatch(clock)
    pacing = TaskScope(on: clock.monitor)
  }

  /// Adds a fault of connections that are made from here on, behind those that were added before.
  /// - Returns: a number by which it can be taken back.
  @discardableResult
  public func add(_ rule: LinkFaultRule) -> Int {
    defer { changes.passOn() }
    return state.withLock { state in
      state.lastRule += 1
      state.rules.append((state.lastRule, rule))
      changes.note(.fault(.ordered(id: .integer(state.lastRule), order: rule.json)))
      return state.lastRule
    }
  }

  /// Takes a fault of connections back; what they met stays as it is.
  /// - Returns: whether it was there still.
  @discardableResult
  public func remove(_ id: Int) -> Bool {
    defer { changes.passOn() }
    return state.withLock { state in
      let count = state.rules.count
      state.rules.removeAll { $0.id == id }
      guard state.rules.count < count else { return false }
      changes.note(.fault(.takenBack(id: "\(id)")))
      return true
    }
  }

  /// The faults that connections may still meet, with what is left of each one's schedule.
  public var remaining: [(id: Int, rule: LinkFaultRule)] { state.withLock { $0.rules } }

  /// What decides chance.
  public var seed: UInt64 { state.withLock { $0.seed } }

  /// Begins chance anew, which decides about faults with a probability, and about jitter: the same
  /// connections in the same order meet the same faults.
  public func seed(_ seed: UInt64) {
    state.withLock { state in
      state.seed = seed
      state.chance = SeededGenerator(seed: seed)
      state.connections = 0
    }
  }

  /// Takes the faults of connections back; what they met stays as it is.
  public func clearFaults() {
    state.withLock { state in
      state.rules = []
      changes.note(.fault(.cleared))
    }
    changes.passOn()
  }

  /// Reads everything from here on and forwards nothing: the server accepts, and never answers.
  /// - Parameter direction: Which bytes are not forwarded.
  public func hold(_ direction: LinkDirection = .both) {
    state.withLock { state in
      state.held.formUnion(direction.ways)
      changes.note(.held)
    }
    changes.passOn()
  }

  /// Ends every hold, that of ``hold(_:)`` and those of rules, and takes the rules back.
  ///
  /// What was read meanwhile is forwarded, in its order, and so is all that follows. A link that was
  /// cut stays cut.
  public func release() {
    let relays = state.withLock { state in
      state.rules = []
      state.releases += 1
      state.held = []
      state.heldByRules = []
      changes.note(.fault(.cleared))
      if !state.isCut { changes.note(.opened) }
      return state.relays.sorted { $0.key < $1.key }.map(\.value)
    }
    monitor?.releaseAll(to: address)
    for release in relays { release() }
    changes.passOn()
  }

  /// Waits until a held link has read bytes that it does not forward.
  ///
  /// - Throws: `CancellationError`.
  public func waitUntilHolding() async throws {
    for await _ in receivedWhileHeld.stream { return }
    throw CancellationError()
  }

  /// Closes every connection, and refuses new ones, as if the server were gone; see ``heal()``.
  public func cut() async {
    await disconnect(keepsPort: true)
    changes.note(.cut)
    changes.passOn()
  }

  /// Takes connections again after ``cut()``, at the same address.
  ///
  /// - Throws: what listening throws.
  public func heal() async throws {
    guard state.withLock({ $0.isCut }) else { return }
    let listener = try await Self.listen(on: peer.port) { self }
    state.withLock { state in
      state.listener = listener
      state.isCut = false
      state.reservation = nil
      changes.note(state.held.isEmpty ? .opened : .held)
    }
    changes.passOn()
  }

  /// Resets every connection (RST), and takes new ones.
  public func reset() async {
    await Self.reset(takeChannels())
  }

  private static func reset(_ channels: [any Channel]) async {
    for channel in channels {
      await channel.ignoringFailure { channel.resetOnClose().flatMap { channel.close() } }
    }
  }

  /// Resets the connections that do not go on by themselves: those that the link or a rule holds, and those
  /// whose bytes wait for a test to move the clock.
  func resetHeld() async {
    let channels = state.withLock { state in
      guard state.held.isEmpty, !state.isCut else { return Array(state.channels.values) }
      let waiting = clock.monitor == nil ? [] : state.waiting.values.flatMap(\.self)
      return state.heldByRules.flatMap(\.self) + waiting
    }
    await Self.reset(channels)
  }

  /// Takes a connection in; one that was accepted before the link was cut and comes after is closed.
  package func opened(_ channel: any Channel) {
    let isCut = state.withLock { state in
      if !state.isCut { state.channels[ObjectIdentifier(channel)] = channel }
      return state.isCut
    }
    guard !isCut else { return channel.close(promise: nil) }
    channel.closeFuture.whenComplete { _ in
      self.state.withLock { $0.channels[ObjectIdentifier(channel)] = nil }
    }
  }

  /// Ends the link for good.
  func close() async {
    await disconnect(keepsPort: false)
    pacing.cancel()
    await pacing.wait()
  }

  private func disconnect(keepsPort: Bool) async {
    let listener = state.withLock { state in
      state.isCut = true
      defer { state.listener = nil }
      return state.listener
    }
    monitor?.releaseAll(to: address)
    for channel in (listener.map { [$0] } ?? []) + takeChannels() {
      await channel.ignoringFailure { channel.close() }
    }
    let reservation = keepsPort ? PortReservation(of: peer.port) : nil
    state.withLock { $0.reservation = reservation }
  }

  private func takeChannels() -> [any Channel] {
    state.withLock { state in
      defer { state.channels = [:] }
      return Array(state.channels.values)
    }
  }
}

/// Who is told of what is done to a link.
extension FaultyLink {
  /// Something that was done to a link.
  package enum Change: Sendable, Hashable {
    /// Its rules changed.
    case fault(FaultAdministration.Change)
    /// It was cut.
    case cut
    /// It holds bytes from here on.
    case held
    /// It takes connections and forwards their bytes again.
    case opened
  }

  /// Has a closure called with each change from here on, behind the change and in the order of the changes; it
  /// must not block.
  package func observe(_ observer: @escaping @Sendable (Change) -> Void) {
    changes.observe(observer)
  }
}

/// What the relays of a link's connections ask of it.
extension FaultyLink {
  /// How requests through this link are counted: by where they go.
  private var address: String { peer.description }

  /// Notes that a relay's bytes wait for the clock to move, and with them the requests that are under way.
  func waits(_ relay: ObjectIdentifier, _ channels: [any Channel]) {
    // Real time goes on by itself: whoever waits for it is not idle.
    guard clock.monitor != nil else { return }
    state.withLock { $0.waiting[relay] = channels }
    monitor?.holdAll(to: address)
  }

  /// Notes that a relay's bytes go on; requests do once none wait.
  func goesOn(_ relay: ObjectIdentifier) {
    guard clock.monitor != nil else { return }
    let isLast = state.withLock { state in
      let waited = state.waiting.removeValue(forKey: relay) != nil
      return waited && state.waiting.isEmpty
    }
    if isLast { monitor?.releaseAll(to: address) }
  }

  /// Notes a relay until it has nowhere to forward to.
  func relays(to other: any Channel, _ release: @escaping @Sendable () -> Void) {
    let id = state.withLock { state in
      state.lastRelay += 1
      state.relays[state.lastRelay] = release
      return state.lastRelay
    }
    other.closeFuture.whenComplete { _ in self.state.withLock { $0.relays[id] = nil } }
  }

  var isOpen: Bool { state.withLock { !$0.isCut && $0.held.isEmpty } }

  /// Whether it was cut, and not healed.
  var isCut: Bool { state.withLock { $0.isCut } }

  /// Whether bytes of a direction are to be forwarded.
  /// - Parameter heldAt: For a connection that a rule holds, how often the link was released before.
  func passes(_ way: LinkDirection, heldAt: Int?) -> Bool {
    let (isCut, isHeld) = state.withLock { state in
      (state.isCut, state.held.contains(way) || state.releases == heldAt)
    }
    if isHeld, !isCut {
      monitor?.holdAll(to: address)
      receivedWhileHeld.continuation.yield()
    }
    return !isCut && !isHeld
  }

  /// Starts a link to a server.
  ///
  /// - Parameters:
  ///   - server: What is behind it.
  ///   - clock: What delays are measured on.
  ///   - monitor: What is told which calls the link holds.
  /// - Throws: what listening throws.
  static func start(
    to server: PeerAddress, clock: any Clock<Duration>, monitor: IdleMonitor?
  ) async throws -> FaultyLink {
    let made = MadeLink()
    let listener = try await listen(on: 0) { made.link }
    guard let port = listener.localAddress?.port else {
      throw ChannelError.inappropriateOperationForState
    }
    let link = FaultyLink(
      peer: try PeerAddress(host: "127.0.0.1", port: port), to: server, clock: clock, monitor)
    link.state.withLock { $0.listener = listener }
    made.link = link
    return link
  }

  /// A link that its listener may ask for before it is made.
  private final class MadeLink: Sendable {
    private let made = Mutex<FaultyLink?>(nil)

    var link: FaultyLink? {
      get { made.withLock { $0 } }
      set { made.withLock { $0 = newValue } }
    }
  }

  private static func listen(
    on port: Int, _ link: @escaping @Sendable () -> FaultyLink?
  ) async throws -> any Channel {
    try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { inbound in
        guard let link = link() else { return inbound.close() }
        return link.connect(inbound)
      }
      .bind(host: "127.0.0.1", port: port).get()
  }

  private func heldByRule(_ channels: [any Channel], since releases: Int) {
    state.withLock { state in
      guard state.releases == releases else { return }
      state.heldByRules.removeAll { !$0.contains(where: \.isActive) }
      state.heldByRules.append(channels)
    }
  }

  /// Connects to the server for an accepted connection; both run on one event loop.
  private func connect(_ inbound: any Channel) -> EventLoopFuture<Void> {
    let connection = state.withLock { state in
      let before = state.rules.map(\.id)
      let connection = state.takeFaults()
      let left = state.rules.map(\.id)
      for id in before where !left.contains(id) { changes.note(.fault(.usedUp(id: "\(id)"))) }
      return connection
    }
    changes.passOn()
    switch connection.faults.values.first(where: { $0 == .close || $0 == .reset }) {
    case .close?: return inbound.close()
    case .reset?: return inbound.resetOnClose().flatMap { inbound.close() }
    default: break
    }
    opened(inbound)
    return ClientBootstrap(group: inbound.eventLoop)
      .channelOption(.autoRead, value: false)
      .channelInitializer { outbound in
        self.opened(outbound)
        return outbound.eventLoop.makeCompletedFuture {
          try outbound.pipeline.syncOperations.addHandler(
            LinkRelay(.toClient, link: self, other: inbound, connection))
        }
      }
      .connect(host: server.host, port: server.port)
      .flatMapThrowing { outbound in
        try inbound.pipeline.syncOperations.addHandler(
          LinkRelay(.toServer, link: self, other: outbound, connection))
        if connection.faults.values.contains(.hold) {
          self.heldByRule([inbound, outbound], since: connection.releases)
        }
      }
  }
}

extension Channel {
  /// Waits for an operation that fails where the other side has closed the channel already.
  fileprivate func ignoringFailure(_ operation: () -> EventLoopFuture<Void>) async {
    do { try await operation().get() } catch {
      // It is closed, which is what was wanted.
    }
  }
}

/// Runs a body with a faulty link to a server; nothing of it is left when this returns.
///
/// A link whose task is cancelled is released (``FaultyLink/release()``), so that nothing waits for
/// what it holds.
///
/// - Parameters:
///   - server: What is behind the link: a node, or another server.
///   - clock: What delays are measured on.
///   - isolation: The actor that `body` runs on; the caller's.
///   - body: Uses the link.
/// - Throws: what listening throws, and what `body` throws.
public func withFaultyLink<Result: Sendable>(
  to server: PeerAddress, clock: any Clock<Duration> = ContinuousClock(),
  isolation: isolated (any Actor)? = #isolation, _ body: (FaultyLink) async throws -> Result
) async throws -> Result {
  let link = try await FaultyLink.start(to: server, clock: clock, monitor: clock.monitor)
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
  await link.close()
  return try outcome.get()
}
