import AsyncPrimitives
import Bloom
import Foundation
import NIOCore
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
        #expect(error?.code == .refused, "\(time)")
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
