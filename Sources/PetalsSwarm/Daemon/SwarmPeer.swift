import AsyncPrimitives
import Foundation
public import Logging
import NIOCore
import NIOPosix
import SwiftProtobuf
import Synchronization
import SystemErrors

/// A peer of a swarm: a p2pd process, and the calls and streams that go through it.
///
/// It lives within ``withSwarmPeer(_:clock:isolation:logger:_:)``.
public final class SwarmPeer: Sendable {
  typealias StreamHandler = @Sendable (SwarmStream) async throws -> Void

  /// Its name.
  public let id: PeerID
  /// Where other peers reach it.
  public let addresses: [SwarmAddress]
  let configuration: SwarmConfiguration
  let clock: any Clock<Duration>
  let logger: Logger
  private let control: ControlConnection
  private let process: DaemonProcess
  private let socket: String
  private let streamSocket: String
  private let handlers: Mutex<[String: StreamHandler]> = Mutex([:])
  private let streams = AsyncState(0)
  private let tasks: TaskScope
  private let joined = Mutex<SwarmDHT?>(nil)

  fileprivate init(
    id: PeerID, control: ControlConnection, process: DaemonProcess, folder: URL,
    _ configuration: SwarmConfiguration,
    clock: any Clock<Duration>, tasks: TaskScope, logger: Logger
  ) async throws {
    self.id = id
    self.control = control
    self.process = process
    self.configuration = configuration
    self.clock = clock
    self.tasks = tasks
    self.logger = logger
    socket = folder.socket("control")
    streamSocket = folder.socket("streams")
    addresses = try await Self.addresses(of: socket)
  }

  /// Waits until p2pd has ended, by itself or because somebody ended it.
  ///
  /// - Throws: `CancellationError`.
  public func waitUntilEnded() async throws { try await control.hasEnded.wait { $0 } }

  /// The hash table by which the members of the swarm find each other.
  ///
  /// - Throws: ``SwarmError/Code/daemonEnded`` once the peer has left the swarm.
  package var hashTable: SwarmDHT {
    get throws {
      guard let table = joined.withLock({ $0 }) else {
        throw SwarmError(.daemonEnded, "the peer has left the swarm")
      }
      return table
    }
  }

  /// The process group of p2pd, for tests that suspend it.
  package var daemonGroup: Int32? { process.group }

  /// The socket that p2pd hands streams of other peers to, for tests that write to it.
  package var streamSocketPath: String { streamSocket }

  /// Joins the hash table, and stays in it until the scope of the peer's tasks ends.
  fileprivate func join() async throws {
    let table = SwarmDHT(self, unixClock: configuration.unixClock)
    joined.withLock { $0 = table }
    try await table.start()
    // It ends by being cancelled, and in no other way.
    tasks.spawn { try? await table.run() }
  }

  /// Leaves the hash table, which refers to the peer as the peer does to it.
  fileprivate func leave() { joined.withLock { $0 = nil } }

  /// Streams of other peers that are served now.
  package var servedStreams: Int { streams.value }

  /// Waits until so many streams of other peers are served.
  ///
  /// - Throws: `CancellationError`.
  package func waitForServedStreams(_ count: Int) async throws {
    try await streams.wait { $0 == count }
  }

  /// Answers calls to a name: `Class.method`.
  ///
  /// - Throws: ``SwarmError`` when p2pd refuses.
  package func handle(
    _ name: String, _ handler: @escaping @Sendable (PeerID, [UInt8]) async throws -> [UInt8]
  ) async throws {
    try await control.add(name, handler)
  }

  /// Serves streams that are opened to a name, `Class.method`, in place of whoever served them before.
  ///
  /// A stream whose handler returns is closed; what it throws is the stream's last word.
  /// - Throws: ``SwarmError`` when p2pd refuses.
  package func serve(
    _ name: String, _ handler: @escaping @Sendable (SwarmStream) async throws -> Void
  ) async throws {
    // p2pd hears of each name once, and refuses a second time.
    guard handlers.withLock({ $0.updateValue(handler, forKey: name) }) == nil else { return }
    var request = P2PDRequest()
    request.type = .streamHandler
    request.streamHandler.addr = .init(Self.unixAddress(streamSocket))
    request.streamHandler.proto = [name]
    request.streamHandler.balanced = false
    do {
      let (channel, inbox) = try await connect()
      defer { channel.close(promise: nil) }
      _ = try await Self.exchange(request, on: channel, inbox)
    } catch {
      handlers.withLock { $0[name] = nil }
      throw error
    }
  }

  /// Calls a peer, and returns its answer.
  ///
  /// - Throws: ``SwarmError``; `CancellationError`.
  package func call(
    _ peer: PeerID, _ name: String, _ body: [UInt8], within limit: Duration? = nil
  ) async throws -> [UInt8] {
    let limit = limit ?? configuration.callTimeout
    return try await withDeadline(
      limit, on: clock,
      orThrow: SwarmError(.timedOut, "no answer to \(name) within \(limit)", peer: peer)
    ) { [control] in try await control.call(peer, name, body) }
  }

  /// Opens a stream to a peer; the caller closes it.
  ///
  /// - Throws: ``SwarmError``; `CancellationError`.
  package func openStream(to peer: PeerID, _ name: String) async throws -> SwarmStream {
    let limit = configuration.connectTimeout
    return try await withDeadline(
      limit, on: clock,
      orThrow: SwarmError(.timedOut, "no stream for \(name) within \(limit)", peer: peer)
    ) {
      var request = P2PDRequest()
      request.type = .streamOpen
      request.streamOpen.peer = .init(peer.bytes)
      request.streamOpen.proto = [name]
      let (channel, inbox) = try await self.connect()
      return try await withTaskCancellationHandler {
        do {
          _ = try await Self.exchange(request, on: channel, inbox)
        } catch {
          channel.close(promise: nil)
          guard let error = error as? SwarmError else { throw error }
          throw SwarmError(error.code, error.message, peer: peer)
        }
        return SwarmStream(peer: peer, name: name, channel: channel, inbox: inbox)
      } onCancel: {
        channel.close(promise: nil)
      }
    }
  }

  /// Connects to a peer whose address is known.
  ///
  /// - Throws: ``SwarmError/Code/unreachable``.
  package func listPeers() async throws -> [PeerID] {
    var request = P2PDRequest()
    request.type = .listPeers
    let (channel, inbox) = try await connect()
    defer { channel.close(promise: nil) }
    return try await Self.exchange(request, on: channel, inbox).peers.map { PeerID(bytes: $0.id) }
  }

  private func connect() async throws -> (any Channel, FrameInbox) {
    try await Self.connect(to: socket, limit: configuration.largestMessage)
  }

  private static func connect(
    to socket: String, limit: Int
  ) async throws -> (any Channel, FrameInbox) {
    let inbox = FrameInbox()
    let channel = try await DaemonSocket.connect(to: socket, isAutomatic: false) { channel in
      try channel.pipeline.syncOperations.addHandlers(
        ByteToMessageHandler(SwarmFrameDecoder(limit: limit, isStream: true)), inbox)
    }
    return (channel, inbox)
  }

  /// Sends a request, and returns its answer.
  ///
  /// - Throws: ``SwarmError/Code/unreachable`` with p2pd's words.
  private static func exchange(
    _ request: P2PDRequest, on channel: any Channel, _ inbox: FrameInbox
  ) async throws -> P2PDResponse {
    try await DaemonSocket.send(request, on: channel)
    guard case .control(let bytes) = try await inbox.next() else {
      throw SwarmError(.daemonEnded, "p2pd ended the connection without an answer")
    }
    guard let response = try? P2PDResponse(serializedBytes: bytes) else {
      throw SwarmError(.malformed, "the daemon sent what is no message")
    }
    guard response.type == .ok else { throw SwarmError(.unreachable, response.error.msg) }
    return response
  }

  private static func addresses(of socket: String) async throws -> [SwarmAddress] {
    var request = P2PDRequest()
    request.type = .identify
    let (channel, inbox) = try await connect(to: socket, limit: 1 << 20)
    defer { channel.close(promise: nil) }
    let identity = try await exchange(request, on: channel, inbox).identify
    let peer = PeerID(bytes: identity.id)
    return identity.addrs.compactMap { SwarmAddress(binary: Array($0), peer: peer) }
  }

  /// libp2p's address of a Unix socket: code 400 and the path with its length.
  private static func unixAddress(_ path: String) -> [UInt8] {
    var buffer = ByteBuffer(bytes: [0x90, 0x03])
    buffer.writeVarint(UInt64(path.utf8.count))
    buffer.writeString(path)
    return Array(buffer.readableBytesView)
  }

  /// Takes streams of other peers, which p2pd connects to a socket of this process.
  fileprivate func listen() async throws -> any Channel {
    try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelOption(.autoRead, value: false)
      .childChannelInitializer { [configuration, weak self] channel in
        channel.eventLoop.makeCompletedFuture {
          let inbox = FrameInbox()
          try channel.pipeline.syncOperations.addHandlers(
            ByteToMessageHandler(
              SwarmFrameDecoder(limit: configuration.largestMessage, isStream: true)), inbox)
          self?.accept(channel, inbox)
        }
      }
      .bind(unixDomainSocketPath: streamSocket).get()
  }

  private func accept(_ channel: any Channel, _ inbox: FrameInbox) {
    let isTaken = streams.update { [limit = configuration.concurrentStreams] streams in
      guard streams < limit else { return false }
      streams += 1
      return true
    }
    tasks.spawn {
      if isTaken {
        await self.run(channel, inbox)
        self.streams.update { $0 -= 1 }
      } else {
        self.logger.notice("a stream is refused: too many are served")
        channel.close(promise: nil)
      }
    }
  }

  private func run(_ channel: any Channel, _ inbox: FrameInbox) async {
    defer { channel.close(promise: nil) }
    // A stream that ends, or says something else, before it names a call has nobody to answer.
    guard let first = try? await inbox.next(), case .control(let bytes) = first,
      let info = try? P2PDStreamInfo(serializedBytes: bytes),
      let handler = handlers.withLock({ $0[info.proto] })
    else { return }
    let stream = SwarmStream(
      peer: PeerID(bytes: info.peer), name: info.proto, channel: channel, inbox: inbox)
    do {
      try await handler(stream)
    } catch {
      logger.notice(
        "a stream ends with an error",
        metadata: ["stream": "\(info.proto)", "peer": "\(stream.peer)", "error": "\(error)"])
      stream.fail("\(error)")
    }
  }
}

/// Runs a body with a peer of a swarm.
///
/// p2pd has ended when this returns, and with it every call and stream.
///
/// - Parameters:
///   - configuration: How the peer runs.
///   - clock: What measures how long calls may take.
///   - isolation: The actor that `body` runs on; the caller's.
///   - logger: Hears of streams of other peers that end with an error.
///   - body: Uses the peer.
/// - Throws: ``SwarmError`` when p2pd is missing or does not start; what the body throws.
public func withSwarmPeer<Result: Sendable>(
  _ configuration: SwarmConfiguration = SwarmConfiguration(),
  clock: any Clock<Duration> = ContinuousClock(), isolation: isolated (any Actor)? = #isolation,
  logger: Logger = Logger(label: "petals.swarm"), _ body: (SwarmPeer) async throws -> Result
) async throws -> Result {
  let daemon = try configuration.daemon ?? SwarmDaemonFile.find()
  // Paths of sockets have 104 bytes at most, which macOS' own place for temporary files takes.
  let place = URL(filePath: "/tmp")
  TemporaryFolder.removeAbandoned(.p2pd, in: place)
  let folder = try TemporaryFolder(.p2pd, in: place)
  defer { folder.remove() }
  let key = folder.url.appending(path: "key")
  try configuration.identity.write(to: key)
  let process = DaemonProcess(
    daemon, configuration.arguments(socket: folder.url.socket("control"), key: key.path),
    launcher: configuration.launcher)
  // Not a child task: a cancelled caller must still see the process end.
  let running = Task { try await process.run() }
  let tasks = TaskScope()
  let control = ControlConnection(tasks: tasks)
  let outcome: Swift.Result<Result, any Error>
  do {
    let id = try await process.waitUntilReady(within: configuration.startTimeout, on: clock)
    try await control.connect(to: folder.url.socket("control"))
    let peer = try await SwarmPeer(
      id: id, control: control, process: process, folder: folder.url, configuration, clock: clock,
      tasks: tasks,
      logger: logger)
    let listener = try await peer.listen()
    defer {
      listener.close(promise: nil)
      peer.leave()
    }
    try await peer.join()
    outcome = .success(try await body(peer))
  } catch {
    outcome = .failure(error)
  }
  tasks.cancel()
  await tasks.wait()
  control.close()
  process.stop()
  let end = await running.result
  if case .failure(let error as SwarmError) = outcome, error.code == .daemonFailed { try end.get() }
  return try outcome.get()
}

extension TemporaryFolder.Purpose {
  /// Sockets and the key of a p2pd process.
  static let p2pd = Self(rawValue: "petals-p2pd")
}

extension URL {
  /// The path of a socket in this folder.
  fileprivate func socket(_ name: String) -> String {
    appending(path: name).path(percentEncoded: false)
  }
}
