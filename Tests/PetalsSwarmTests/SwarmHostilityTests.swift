import AsyncPrimitives
import Bloom
import Foundation
import NIOCore
import NIOPosix
import PetalsNode
import PetalsSwarm
import SwiftProtobuf
import TestSupport
import TestVectors
import Testing

@Suite("Frames of a swarm")
struct SwarmFrameTests {
  private func frames(_ bytes: [UInt8], limit: Int, isStream: Bool) throws -> [SwarmFrame] {
    var decoder = SwarmFrameDecoder(limit: limit, isStream: isStream)
    var buffer = ByteBuffer(bytes: bytes)
    var frames: [SwarmFrame] = []
    while let frame = try decoder.decode(buffer: &buffer) { frames.append(frame) }
    return frames
  }

  @Test("Frames come out as they went in, wherever the bytes are cut")
  func roundTrip() throws {
    let expected: [SwarmFrame] = [
      .control(Array(repeating: 1, count: 300)), .message([]), .message([1, 2]), .end([7]),
      .end([]),
    ]
    let bytes = expected.flatMap { Array($0.encoded.readableBytesView) }
    #expect(try frames(bytes, limit: 1000, isStream: true) == expected)
    var decoder = SwarmFrameDecoder(limit: 1000, isStream: true)
    var buffer = ByteBuffer()
    var found: [SwarmFrame] = []
    for byte in bytes {
      buffer.writeInteger(byte)
      while let frame = try decoder.decode(buffer: &buffer) { found.append(frame) }
    }
    #expect(found == expected)
  }

  @Test("A message has hivemind's header: a zero, and eight bytes of length")
  func header() {
    let frame = SwarmFrame.message([5, 6, 7]).encoded
    #expect(Array(frame.readableBytesView) == [0, 0, 0, 0, 0, 0, 0, 0, 3, 5, 6, 7])
    #expect(Array(SwarmFrame.end([]).encoded.readableBytesView) == [1, 0, 0, 0, 0, 0, 0, 0, 0])
  }

  @Test("Lengths beyond the limit, unknown markers and endless lengths are told apart")
  func refusals() {
    let cases: [([UInt8], SwarmFrameError)] = [
      ([0xff, 0xff, 0xff, 0xff, 0x0f], .oversized(length: 0xffff_ffff, limit: 100)),
      ([0] + [0] + Array(repeating: 0xff, count: 8), .oversized(length: .max, limit: 100)),
      ([0, 9], .unknownMarker(9)), (Array(repeating: 0xff, count: 10), .malformedLength),
    ]
    for (bytes, expected) in cases {
      #expect(throws: expected) { try frames(bytes, limit: 100, isStream: true) }
    }
  }

  @Test("10 000 random byte streams end in frames or in an error, and never beyond the limit")
  func randomStreams() {
    var generator = SeededGenerator(seed: 2121)
    var (read, refused) = (0, 0)
    for round in 0..<10_000 {
      let count = Int.random(in: 0...80, using: &generator)
      // Small bytes make frames more often than any would.
      let greatest: UInt8 = round % 2 == 0 ? 3 : .max
      let bytes = (0..<count).map { _ in UInt8.random(in: 0...greatest, using: &generator) }
      do {
        read += try frames(bytes, limit: 64, isStream: round % 3 > 0).count
      } catch {
        refused += 1
      }
    }
    #expect(read > 1000)
    #expect(refused > 1000)
  }
}

@Suite(
  "Hostile members of a swarm", .enabled(if: Daemon.isThere, Daemon.reason), .timeLimit(.minutes(5))
)
struct SwarmHostilityTests {
  private let tiny: TinySwarm

  init() throws { tiny = try TinySwarm() }

  @Test(
    "1 000 random requests to each call and stream are refused in words, and the node serves on")
  func randomRequests() async throws {
    try await withSwarm(of: tiny, serving: [0..<2]) { nodes, peer in
      let node = nodes[0]
      var generator = SeededGenerator(seed: 99)
      var valid = SwarmExpertRequest()
      valid.uid = "tiny-petals.0 tiny-petals.1"
      valid.tensors = [
        try SwarmTensor(SwarmArray([1, 2, 64], Array(repeating: 0.5, count: 128))),
        try SwarmTensor(.noPrompts),
      ]
      valid.metadata = Data(MessagePackValue.object(["max_length": .int(8)]).encoded)
      let base: [UInt8] = try valid.serializedBytes()
      var refused = 0
      for round in 0..<1000 {
        var bytes = base
        for _ in 0...round % 3 {
          bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(
            in: .min ... .max, using: &generator)
        }
        if round % 5 == 0 {
          bytes = Array(bytes.prefix(Int.random(in: 0..<bytes.count, using: &generator)))
        }
        let name = ["rpc_forward", "rpc_backward", "rpc_info", "rpc_push"][round % 4]
        do {
          _ = try await peer.call(node.peer.id, "TransformerConnectionHandler.\(name)", bytes)
        } catch let error as SwarmError {
          #expect(error.code == .refused, "\(error)")
          refused += 1
        }
        if round % 20 == 0 {
          let stream = try await peer.openStream(
            to: node.peer.id,
            "TransformerConnectionHandler.\(["rpc_inference", "rpc_forward_stream"][round / 20 % 2])"
          )
          try? await stream.send(bytes)
          stream.finish()
          _ = try? await endsInTime(butCame: "no end") { while try await stream.next() != nil {} }
          stream.close()
        }
      }
      #expect(refused > 300, "\(refused)")
      let answer = try await peer.call(
        node.peer.id, "TransformerConnectionHandler.rpc_forward", base)
      #expect(try SwarmExpertResponse(serializedBytes: answer).tensors.count == 1)
      try await endsInTime(butCame: "\(node.node.info.cache)") {
        try await node.node.waitUntilIdle()
      }
      try await endsInTime(butCame: "\(node.peer.servedStreams)") {
        try await node.peer.waitForServedStreams(0)
      }
    }
  }

  @Test(
    "10 000 random byte streams to a node end, what is wrong is in the log, and the node serves on")
  func randomStreams() async throws {
    let (logger, log) = LogLines.recording()
    let configuration = NodeConfiguration(
      checkpoint: tiny.checkpoint, blocks: try tiny.blocks(0..<2))
    let base = try validRequest()
    try await withPetalsNode(configuration, logger: .quiet) { node in
      try await withSwarmPeer(logger: logger) { peer in
        try await withSwarmServer(peer, node: node, model: tiny.model) { _ in
          // What p2pd hands over: the caller and the call, then the stream's bytes as they come.
          try await withThrowingTaskGroup { group in
            for worker in 0..<20 {
              group.addTask {
                var generator = SeededGenerator(seed: UInt64(worker))
                for round in 0..<500 {
                  let bytes = Self.streamBytes(round, base, &generator)
                  try await Self.send(bytes, to: peer, round)
                }
              }
            }
            try await group.waitForAll()
          }
          try await endsInTime(butCame: "\(peer.servedStreams)") {
            try await peer.waitForServedStreams(0)
          }
          try await endsInTime(butCame: "\(node.info.cache)") { try await node.waitUntilIdle() }
          for words in [
            "begins no frame of a stream", "are the most that is read", "max_length is missing",
            "msgpack, byte", "this node serves tiny-petals.0", "do not make",
          ] {
            #expect(log.count(of: words) > 0, "nothing in the log has \(words)")
          }
          try await withQuietPeer(SwarmConfiguration(initialPeers: peer.addresses)) { other in
            var request = try SwarmExpertRequest(serializedBytes: base)
            request.tensors[0].compression = .quantile8Bit
            let unknown: [UInt8] = try request.serializedBytes()
            await #expect(throws: SwarmError.self) {
              try await other.call(peer.id, "TransformerConnectionHandler.rpc_forward", unknown)
            }
            #expect(log.count(of: "QUANTILE_8BIT is not supported") == 1)
            let answer = try await other.call(
              peer.id, "TransformerConnectionHandler.rpc_forward", base)
            #expect(try SwarmExpertResponse(serializedBytes: answer).tensors.count == 1)
          }
        }
      }
    }
  }

  /// A request for two blocks with two tokens.
  private func validRequest() throws -> [UInt8] {
    var request = SwarmExpertRequest()
    request.uid = "tiny-petals.0 tiny-petals.1"
    request.tensors = [
      try SwarmTensor(SwarmArray([1, 2, 64], Array(repeating: 0.5, count: 128))),
      try SwarmTensor(.noPrompts), try SwarmTensor(.noOrder),
    ]
    request.metadata = Data(MessagePackValue.object(["max_length": .int(8)]).encoded)
    return try request.serializedBytes()
  }

  /// Bytes of a stream: at random, frames of bytes at random, or frames of a request that was damaged.
  private static func streamBytes(
    _ round: Int, _ base: [UInt8], _ generator: inout SeededGenerator
  ) -> [UInt8] {
    func random(_ count: Int) -> [UInt8] {
      (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }
    func frame(_ body: [UInt8]) -> [UInt8] {
      Array(SwarmFrame.message(body).encoded.readableBytesView)
    }
    switch round % 4 {
    case 0: return random(.random(in: 0...80, using: &generator))
    case 1:
      return (0..<Int.random(in: 1...3, using: &generator)).flatMap { _ in
        frame(random(.random(in: 0...40, using: &generator)))
      }
    default:
      var bytes = base
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        bytes[.random(in: 0..<bytes.count, using: &generator)] = .random(
          in: .min ... .max, using: &generator)
      }
      if round % 4 == 3 { bytes = bytes.dropLast(.random(in: 0...40, using: &generator)) }
      return frame(bytes) + random(round % 3 == 0 ? 12 : 0)
    }
  }

  /// Hands a stream to a peer as its p2pd does, and waits until the peer has ended it.
  private static func send(_ bytes: [UInt8], to peer: SwarmPeer, _ round: Int) async throws {
    let calls = ["rpc_inference", "rpc_forward_stream", "rpc_backward_stream"]
    var info = P2PDStreamInfo()
    info.peer = Data(SwarmIdentity().peer.bytes)
    info.addr = Data()
    info.proto = "TransformerConnectionHandler.\(calls[round % calls.count])"
    var buffer = SwarmFrame.control(try info.serializedBytes()).encoded
    buffer.writeBytes(bytes)
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connect(unixDomainSocketPath: peer.streamSocketPath).get()
    do {
      try await channel.writeAndFlush(buffer)
      try await channel.close(mode: .output)
    } catch {
      // The peer was first: it has seen enough.
    }
    try await endsInTime(butCame: "no end of \(info.proto) with \(bytes)") {
      try await channel.closeFuture.get()
    }
  }

  @Test("A server's description that is wrong is told apart: its form, its width, its blocks")
  func wrongDescriptions() async throws {
    func schema(_ argument: MessagePackValue) -> MessagePackValue {
      .tuple([.tuple([argument]), .map([])])
    }
    func descriptor(_ size: Int?) -> MessagePackValue {
      TensorDescriptor(sizes: [2048, size], dtype: "float32").message
    }
    let cases: [(MessagePackValue, NodeError.Code?, String)] = [
      (.object(["forward_schema": schema(descriptor(64))]), nil, ""),
      (.object(["forward_schema": .null]), nil, ""),
      (.object(["forward_schema": schema(descriptor(48))]), .failedPrecondition, "states of 48"),
      (.object(["forward_schema": schema(descriptor(nil))]), .failedPrecondition, "states of any"),
      (.object(["forward_schema": schema(.int(5))]), .internalFault, "a tensor descriptor"),
      (.object(["forward_schema": .tuple([])]), .internalFault, "positions and names"),
      (
        .object([
          "forward_schema": schema(.extension(type: 0x51, payload: [0x80]))
        ]), .internalFault, "size, dtype and compression"
      ),
      (.object(["hidden_size": .int(48)]), .failedPrecondition, "hidden size is 48"),
      (
        .object(["blocks": .tuple([.int(3), .int(9)])]), .failedPrecondition,
        "in the hash table"
      ),
      (.object(["fingerprint": .string("00")]), .failedPrecondition, "fingerprint 00"),
      (.string("nothing"), .internalFault, "is no map"),
    ]
    let (logger, log) = LogLines.recording()
    try await withQuietPeer { server in
      let configuration = SwarmConfiguration(initialPeers: server.addresses, membership: .client)
      try await withSwarmPeer(configuration, logger: logger) { peer in
        let transport = SwarmTransport(
          peer, to: server.id, record: ServerRecord(state: .online, throughput: 1, blocks: 0..<2),
          model: tiny.model, identity: tiny.client.identity, limits: SwarmLimits())
        for (description, code, words) in cases {
          try await server.handle("TransformerConnectionHandler.rpc_info") { _, _ in
            var info = SwarmExpertInfo()
            info.serializedInfo = Data(description.encoded)
            return try info.serializedBytes()
          }
          guard let code else {
            #expect(try await transport.info().blocks.indices == 0..<2)
            continue
          }
          let error = await #expect(throws: NodeError.self) { try await transport.info() }
          #expect(error?.code == code, "\(description)")
          #expect(error?.message.contains(words) == true, "\(error?.message ?? "none")")
          #expect(log.count(of: words) == 1, "\(words): \(log.all)")
        }
      }
    }
  }

  @Test("Two networks that give different models one name go on side by side")
  func twoNetworks() async throws {
    let other = try Checkpoint(directory: TestVectors.bloom(.oddF32Sharded))
    let expected = try Safetensors(
      TestVectors.bloom(.oddF32Sharded).appending(path: "expected.safetensors"))
    let configuration = NodeConfiguration(
      checkpoint: other, blocks: try BlockRange(0..<24, of: 24))
    try await withSwarm(of: tiny, serving: [0..<12, 12..<24]) { nodes, peer in
      try await withPetalsNode(configuration, logger: .quiet) { node in
        try await withQuietPeer(SwarmConfiguration(initialPeers: nodes[0].peer.addresses)) {
          stranger in
          try await withSwarmServer(stranger, node: node, model: tiny.model) { server in
            try await withSwarmClient(peer, tiny.client, swarm: tiny.model, logger: .quiet) {
              client in
              let ids = try tiny.ids("case0.generated_ids")
              let result = try await client.ids(
                after: tiny.ids("case0.input_ids"), count: ids.count)
              #expect(result.generatedIDs == ids)
              #expect(result.route.hops.map(\.peer) == nodes.map(\.peer.id.description))
            }
            let model = ClientModel(other)
            try await withSwarmClient(peer, model, swarm: tiny.model, logger: .quiet) { client in
              let ids = try expected.integers("case0.generated_ids").map { Int32($0) }
              let result = try await client.ids(
                after: expected.integers("case0.input_ids").map { Int32($0) }, count: ids.count)
              #expect(result.generatedIDs == ids)
              #expect(result.route.hops.map(\.peer) == [stranger.id.description])
            }
            // For each network only its own servers count.
            let own = tiny.checkpoint.fingerprint
            let balance = try await peer.balance(of: tiny.model, fingerprint: own)
            #expect(try await balance.verdict(of: nodes[1].peer.id, quality: 0.75) == .isNeeded)
            let theirs = try await stranger.balance(of: tiny.model, fingerprint: other.fingerprint)
            #expect(try await theirs.verdict(of: server.peer.id, quality: 0.75) == .isNeeded)
            let status = try await SwarmStatus(
              of: tiny.model, fingerprint: other.fingerprint, through: peer)
            #expect(
              status.servers.filter { !$0.isOfAnotherModel }.map(\.peer) == [stranger.id])
            #expect(status.servers.count == 3)
            #expect(status.unservedBlocks.isEmpty)
          }
          let status = try await SwarmStatus(
            of: tiny.model, fingerprint: other.fingerprint, through: peer)
          #expect(status.unservedBlocks == Array(0..<24))
        }
      }
    }
  }

  @Test("Sessions that ask for what cannot be are told why")
  func refusedSessions() async throws {
    let length = MessagePackValue.Entry(.string("max_length"), .int(16))
    let row = SwarmArray([1, 2, 64], Array(repeating: 0.5, count: 128))
    let wide = SwarmArray([1, 2, 32], Array(repeating: 0.5, count: 64))
    let infinite = SwarmArray([1, 1, 64], [.infinity] + Array(repeating: 0.5, count: 63))
    let uid = "tiny-petals.0 tiny-petals.1"
    let cases: [(String, String, [SwarmArray], [MessagePackValue.Entry])] = [
      ("max_length is missing", uid, [row], []),
      ("not 2-2", "tiny-petals.2", [row], [length]),
      ("this node serves tiny-petals.0", "other.0", [row], [length]),
      ("does not follow", "tiny-petals.1 tiny-petals.0", [row], [length]),
      ("hidden size is 64", uid, [wide, .noPrompts, .noOrder], [length]),
      ("not finite", uid, [infinite, .noPrompts, .noOrder], [length]),
      ("the shape is to be", uid, [SwarmArray([2], [1, 2])], [length]),
      (
        "the shape is to be", uid,
        [row, SwarmArray([3, 1, 1, 64], Array(repeating: 0, count: 192))],
        [length]
      ),
      ("numbers from 0 to 0", uid, [row, .noPrompts, SwarmArray([1], whole: [5])], [length]),
      ("go beyond", uid, [row, .noPrompts, .noOrder], [.init(.string("max_length"), .int(1))]),
      ("this node takes 1 to", uid, [row], [.init(.string("max_length"), .int(.max))]),
      ("with fingerprint", uid, [row], [length, .init(.string("fingerprint"), .string("00"))]),
      ("no adapters", uid, [row], [length, .init(.string("active_adapter"), .string("x"))]),
      (
        "cannot start from position 7", uid, [row, .noPrompts, .noOrder],
        [length, .init(.string("start_from_position"), .int(7))]
      ),
    ]
    try await withSwarm(of: tiny, serving: [0..<2]) { nodes, peer in
      for (words, uid, arrays, metadata) in cases {
        let session = try await RawSwarmSession(peer, to: nodes[0].peer.id)
        try await session.send(arrays, uid: uid, metadata)
        let error = await #expect(throws: SwarmError.self) { try await session.answer() }
        #expect(error?.message.contains(words) == true, "\(words): \(error?.message ?? "none")")
        session.stream.close()
      }
      try await endsInTime(butCame: "\(nodes[0].node.info.cache)") {
        try await nodes[0].node.waitUntilIdle()
      }
    }
  }

  @Test("Times that are none are refused, and neither end is brought down by them")
  func wrongTimes() async throws {
    let input = try tiny.hidden("case2.embeddings")
    let batch = SwarmArray([1, input.tokens, input.hidden], input.values)
    try await withSwarm(of: tiny, serving: [0..<2]) { nodes, peer in
      let node = nodes[0]
      for (latency, isTaken) in [(-1e300, false), (-0.5, false), (1e300, true)] {
        let session = try await RawSwarmSession(peer, to: node.peer.id)
        try await session.send(
          [batch, .noPrompts, .noOrder], uid: "tiny-petals.0 tiny-petals.1",
          [.init(.string("max_length"), .int(16))])
        _ = try await session.answer()
        let summary: MessagePackValue = .object([
          "generated_tokens": .int(1), "latency": .double(latency),
        ])
        try await session.send([], [.init(.string("summary"), summary)])
        if isTaken {
          #expect(try await session.stream.next() == nil)
        } else {
          let error = await #expect(throws: SwarmError.self) { try await session.stream.next() }
          #expect(error?.code == .refused)
        }
        session.stream.close()
      }
      for time in [Double.nan, .infinity, 1e300, 1] {
        try await node.peer.handle("DHTProtocol.rpc_ping") { _, _ in
          var response = SwarmPingResponse()
          response.dhtTime = time
          return try response.serializedBytes()
        }
        let error = await #expect(throws: SwarmError.self) {
          try await peer.hashTable.ping(node.peer.id)
        }
        #expect(error?.code == .clocksDiffer, "\(time)")
        #expect(error?.message.contains("set the clocks") == true, "\(error?.message ?? "")")
      }
    }
  }

  @Test("A server that lies about its blocks is named, and the route goes through the honest one")
  func lies() async throws {
    let until = Date().timeIntervalSince1970 + 100
    try await withSwarm(of: tiny, serving: [0..<24]) { nodes, peer in
      // One serves 0-1 and says that it serves all blocks; one is not there at all.
      let configuration = NodeConfiguration(
        checkpoint: tiny.checkpoint, blocks: try tiny.blocks(0..<2))
      try await withPetalsNode(configuration, logger: .quiet) { node in
        try await withQuietPeer(SwarmConfiguration(initialPeers: nodes[0].peer.addresses)) { liar in
          try await withSwarmServer(liar, node: node, model: tiny.model) { _ in
            var record = ServerRecord(state: .online, throughput: 1e6, blocks: 0..<24)
            record.inferenceRPS = 1e6
            let value = DHTValue(record.message.encoded, until: until + 1000)
            let entries = (0..<24).flatMap { block in
              [liar.id, SwarmIdentity().peer].map { id in
                DHTEntry(
                  key: DHTID(of: .string("tiny-petals.\(block)")), subkey: .string(id.description),
                  value: value)
              }
            }
            _ = try await liar.hashTable.store(entries)
            try await withSwarmClient(peer, tiny.client, swarm: tiny.model, logger: .quiet) {
              client in
              let expected = try tiny.ids("case1.generated_ids")
              let result = try await client.ids(
                after: tiny.ids("case1.input_ids"), count: expected.count)
              #expect(result.generatedIDs == expected)
              #expect(result.route.hops.map(\.peer) == [nodes[0].peer.id.description])
            }
            let transport = SwarmTransport(
              peer, to: liar.id, record: record, model: tiny.model, identity: tiny.client.identity,
              limits: SwarmLimits())
            let error = await #expect(throws: NodeError.self) { try await transport.info() }
            #expect(error?.code == .failedPrecondition)
            #expect(error?.message.contains("in the hash table") == true, "\(error?.message ?? "")")
          }
        }
      }
    }
  }
}
