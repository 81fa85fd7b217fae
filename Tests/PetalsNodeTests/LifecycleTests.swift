import AsyncHTTPClient
import Bloom
import InferenceMetrics
import Logging
import MockServing
import NIOCore
import NIOHTTP1
import NIOPosix
import PetalsNode
import PlumiseTesting
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing

@Suite("A node's life", .timeLimit(.minutes(5)))
struct LifecycleTests {
  let model: TinyModel

  init() throws { model = try TinyModel() }

  @Test("It listens, becomes ready, and stops, in this order")
  func events() async throws {
    let events = Mutex<[NodeEvent]>([])
    var configuration = NodeConfiguration(
      checkpoint: model.checkpoint, blocks: try model.blocks(0..<12))
    configuration.http = .init()
    let addresses = try await withPetalsNode(
      configuration, onEvent: { event in events.withLock { $0.append(event) } }
    ) { node in
      #expect(node.phase == .ready)
      #expect(node.info.isReady)
      return (try node.boundAddress, try #require(node.httpAddress))
    }
    #expect(
      events.withLock { $0 } == [
        .listening(addresses.0), .listeningHTTP(addresses.1), .ready, .stopped,
      ])
  }

  @Test(
    "It stops after its grace period though a client says nothing, before or after its first words",
    arguments: ["", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0"])
  func silentClient(words: String) async throws {
    let clock = ManualClock()
    var configuration = NodeConfiguration(checkpoint: model.checkpoint)
    configuration.graceClock = clock
    let node = PetalsNode(configuration)
    let running = Task { try await node.run() }
    try await node.waitUntilReady()
    let address = try node.boundAddress
    try await RawClient.connected(
      to: ServerAddress(host: address.host, port: address.port)
    ) { client async throws in
      // The server's first words: it has the connection, which until then waits in the system's queue.
      _ = try await client.received.next { !$0.isEmpty }
      if !words.isEmpty { try await client.send(words) }
      node.stop()
      try await clock.waitForSleepers()
      clock.advance(by: configuration.gracePeriod)
      try await endsInTime(butCame: "the node waits for its client") {
        try await running.value
        _ = try await client.waitForEnd()
      }
    }
  }

  @Test(
    "It stops after its grace period though the way to a client with an open session is held",
    arguments: [false, true])
  func heldSession(hasEnded: Bool) async throws {
    let clock = ManualClock()
    var configuration = NodeConfiguration(checkpoint: model.checkpoint)
    configuration.graceClock = clock
    let node = PetalsNode(configuration)
    let running = Task { try await node.run() }
    try await node.waitUntilReady()
    try await withFaultyLink(to: node.boundAddress) { link in
      try await withGRPCTransports([link.peer]) { transports in
        let session = try await transports[0].openSession(model.opening(0..<24, length: 8))
        link.hold()
        node.stop()
        try await clock.waitForSleepers()
        // The session may have ended at the node, or the end of the grace period cuts it off.
        if hasEnded { try await node.waitUntilIdle() }
        clock.advance(by: node.configuration.gracePeriod)
        try await endsInTime(
          butCame: "the node waits for its client", release: { await link.reset() }
        ) { try await running.value }
        session.cancel()
        link.release()
      }
    }
  }

  @Test("While it loads, HTTP answers 503 and gRPC that it is not ready")
  func loading() async throws {
    let seen = Mutex<(health: String, status: Int, info: PeerInfo)?>(nil)
    var configuration = NodeConfiguration(checkpoint: model.checkpoint)
    configuration.http = .init()
    let grpc = Mutex<PeerAddress?>(nil)
    try await withPetalsNode(
      configuration,
      onEvent: { event in
        switch event {
        case .listening(let address): grpc.withLock { $0 = address }
        case .listeningHTTP(let address):
          do {
            let health = try await HTTPClient.shared.get(url: "http://\(address)/health").get()
            let text = try await HTTPClient.shared.post(
              url: "http://\(address)/api/v1/generate",
              body: .string(#"{"inputs":"a"}"#)
            ).get()
            let peer = try #require(grpc.withLock { $0 })
            let info = try await withGRPCTransports([peer]) { try await $0[0].info() }
            let body = health.body.map { String(buffer: $0) } ?? ""
            seen.withLock { $0 = (body, Int(text.status.code), info) }
          } catch {
            Issue.record(error)
          }
        case .ready, .stopped: break
        }
      }
    ) { _ in }
    let found = try #require(seen.withLock { $0 })
    #expect(found.health.contains(#""status":"loading""#))
    #expect(found.status == 503)
    #expect(!found.info.isReady)
  }

  @Test("After a stop its ports are free, though a session was open")
  func freesPorts() async throws {
    var configuration = NodeConfiguration(
      checkpoint: model.checkpoint, blocks: try model.blocks(0..<12))
    // An address of its own, where there is one: on the common one, a test beside this may get a
    // port as soon as it is free.
    #if os(Linux)
      let host = "127.73.1.1"
    #else
      let host = "127.0.0.1"
    #endif
    configuration.grpc = .init(host: host)
    configuration.http = .init(host: host)
    let node = PetalsNode(configuration)
    let running = Task { try await node.run() }
    try await node.waitUntilReady()
    let (address, http) = (try node.boundAddress, try #require(node.httpAddress))
    try await withGRPCTransports([address]) { peers in
      let session = try await peers[0].openSession(model.opening(0..<12, length: 8))
      _ = try await session.step(model.hidden("case0.embeddings"))
      #expect(node.info.cache.sessions == 1)
      node.stop()
      // The session's client is still there, and has not heard of it.
      try await running.value
      #expect(node.phase == .stopped)
      #expect(node.info.cache.sessions == 0)
      for port in [address.port, http.port] {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
          // As servers do: connections that ended a moment ago keep their port otherwise.
          .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
          .bind(host: host, port: port).get()
        try await channel.close()
      }
    }
  }

  @Test("A stop ends open sessions at once, and says so")
  func endsSessions() async throws {
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await withGRPCTransports([nodes[0].boundAddress]) { peers in
        let session = try await peers[0].openSession(model.opening(0..<12, length: 8))
        _ = try await session.step(model.hidden("case0.embeddings"))
        nodes[0].stop()
        let error = await #expect(throws: NodeError.self) {
          // The step that meets the stop may still be answered; the one after it is not.
          _ = try await session.step(model.hidden("case0.embeddings"))
          _ = try await session.step(model.hidden("case0.embeddings"))
        }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("stopping") == true, "\(error as Any)")
        try await nodes[0].waitUntilIdle()
      }
    }
  }

  @Test("A port in use is refused by its number", arguments: [true, false])
  func portInUse(http: Bool) async throws {
    try await withNodes(of: model, cuts: []) { nodes in
      let taken = try nodes[0].boundAddress
      let endpoint = NodeConfiguration.Endpoint(port: taken.port)
      var configuration = NodeConfiguration(checkpoint: model.checkpoint)
      if http { configuration.http = endpoint } else { configuration.grpc = endpoint }
      let error = await #expect(throws: NodeStartError.self) {
        try await withPetalsNode(configuration) { _ in }
      }
      guard case .portInUse(_, taken.port) = error else {
        Issue.record("\(error as Any) is not about port \(taken.port)")
        return
      }
    }
  }

  @Test("An address of another machine is refused")
  func foreignAddress() async throws {
    var configuration = NodeConfiguration(checkpoint: model.checkpoint)
    configuration.grpc.host = "192.0.2.1"
    await #expect(throws: NodeStartError.self) {
      try await withPetalsNode(configuration) { _ in }
    }
  }

  @Test("What the body throws comes out, after the stop")
  func bodyThrows() async throws {
    struct Failure: Error {}
    let seen = Mutex<PetalsNode?>(nil)
    await #expect(throws: Failure.self) {
      try await withPetalsNode(NodeConfiguration(checkpoint: model.checkpoint)) { node in
        seen.withLock { $0 = node }
        throw Failure()
      }
    }
    #expect(seen.withLock { $0 }?.phase == .stopped)
  }

  @Test("It runs in a service group, and a graceful shutdown stops it")
  func service() async throws {
    let node = PetalsNode(
      NodeConfiguration(checkpoint: model.checkpoint, blocks: try model.blocks(0..<12)))
    let group = ServiceGroup(services: [node], logger: Logger(label: "test"))
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      try await node.waitUntilReady()
      await group.triggerGracefulShutdown()
      try await tasks.waitForAll()
    }
    #expect(node.phase == .stopped)
  }

  @Test("It runs once")
  func once() async throws {
    let node = try await withPetalsNode(NodeConfiguration(checkpoint: model.checkpoint)) { $0 }
    await #expect(throws: NodeStartError.self) { try await node.run() }
  }

  @Test("Its description is the same over gRPC and in memory")
  func info() async throws {
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await withGRPCTransports(nodes.map { try $0.boundAddress }) { peers in
        for (peer, node) in zip(peers, nodes) {
          let info = try await peer.info()
          let local = node.info
          #expect(info.modelName == model.checkpoint.name)
          #expect(info.fingerprint == model.checkpoint.fingerprint)
          #expect(info.blocks == node.configuration.blocks)
          #expect(info.hiddenSize == 64)
          #expect(info.isReady)
          #expect(info.agent == nil)
          #expect(info.uptime > .zero && info.uptime <= local.uptime + .milliseconds(1))
          #expect(info.cache == local.cache)
          #expect(info.maximumLength == 2048)
        }
      }
    }
  }
}
