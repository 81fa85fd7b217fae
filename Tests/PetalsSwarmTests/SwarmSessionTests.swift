import AsyncPrimitives
import Bloom
import Foundation
import PetalsNode
import PetalsSwarm
import SwiftProtobuf
import TestSupport
import TestVectors
import Testing

/// A client that sends what Petals' own would, and what no client would.
struct RawSwarmSession: Sendable {
  let stream: SwarmStream

  init(_ peer: SwarmPeer, to id: PeerID) async throws {
    stream = try await peer.openStream(to: id, "TransformerConnectionHandler.rpc_inference")
  }

  /// Sends a step of tensors, in the order of their places.
  func send(
    _ arrays: [SwarmArray], uid: String = "", _ metadata: [MessagePackValue.Entry] = [],
    codec: TensorCodec = .none
  ) async throws {
    var request = SwarmExpertRequest()
    request.uid = uid
    request.tensors = try arrays.map { try SwarmTensor($0, codec: codec) }
    request.metadata = Data(MessagePackValue.map(metadata).encoded)
    try await stream.send(try request.serializedBytes())
  }

  /// The hidden states of the next answer.
  func answer() async throws -> SwarmArray {
    let bytes = try #require(try await stream.next(), "the session has ended")
    let response = try SwarmExpertResponse(serializedBytes: bytes)
    return try #require(response.tensors.first).array()
  }
}

@Suite(
  "Sessions in a swarm", .enabled(if: Daemon.isThere, Daemon.reason), .timeLimit(.minutes(5)))
struct SwarmSessionTests {
  private let tiny: TinySwarm

  init() throws { tiny = try TinySwarm() }

  private func uids(_ range: Range<Int>) -> String {
    range.map { "tiny-petals.\($0)" }.joined(separator: " ")
  }

  private func batch(_ rows: [HiddenStates]) -> SwarmArray {
    SwarmArray([rows.count, rows[0].tokens, rows[0].hidden], rows.flatMap(\.values))
  }

  private func length(_ tokens: Int) -> MessagePackValue.Entry {
    .init(.string("max_length"), .int(Int64(tokens)))
  }

  /// Sequences of tokens, and what the first two blocks make of each alone.
  private func local(_ rows: [HiddenStates]) async throws -> [HiddenStates] {
    let shard = try Shard(tiny.checkpoint, blocks: try tiny.blocks(0..<2))
    var results: [HiddenStates] = []
    for row in rows { results.append(try await shard.forward(row)) }
    return results
  }

  @Test("Sequences of a batch are reordered as beam search does: kept, dropped and taken twice")
  func reordering() async throws {
    let input = try tiny.hidden("case3.embeddings")
    let starts = [0, 4, 8].map { input.slice($0..<$0 + 4) }
    let next = [20, 21, 22].map { input.slice($0..<$0 + 1) }
    try await withSwarm(of: tiny, serving: [0..<2]) { nodes, peer in
      let session = try await RawSwarmSession(peer, to: nodes[0].peer.id)
      try await session.send([batch(starts), .noPrompts, .noOrder], uid: uids(0..<2), [length(16)])
      let first = try await session.answer()
      let expected = try await local(starts)
      expectClose(try first.real("first"), expected.flatMap(\.values), "before")
      let order = [2, 2, 0]
      let whole = SwarmArray([3], whole: order.map { Int64($0) })
      try await session.send([batch(next), .noPrompts, whole])
      let second = try await session.answer()
      let joined = try zip(order, next).map { source, row in
        try HiddenStates(tokens: 5, hidden: 64, values: starts[source].values + row.values)
      }
      let after = try await local(joined).map { $0.slice(4..<5) }
      expectClose(try second.real("second"), after.flatMap(\.values), "after")
      // What the copies took for a moment is free again.
      let cache = nodes[0].node.info.cache
      #expect(cache.usedBytes == 3 * 16 * cache.bytesPerToken)
      session.stream.close()
      try await endsInTime(butCame: "\(nodes[0].node.info.cache)") {
        try await nodes[0].node.waitUntilIdle()
      }
    }
  }

  @Test("Deep prompts are added before each block, in sessions and in passes, and have gradients")
  func deepPrompts() async throws {
    let input = try tiny.hidden("case2.embeddings")
    var generator = SeededGenerator(seed: 11)
    let values = (0..<2 * 3 * 64).map { _ in Float(generator.unit() - 0.5) }
    let prompts = SwarmArray([2, 1, 3, 64], values)
    let gradient = try HiddenStates(
      tokens: 7, hidden: 64, values: (0..<7 * 64).map { _ in Float(generator.unit() - 0.5) })
    // One block at a time, with the prompts added by hand.
    func added(_ states: HiddenStates, _ block: Int) throws -> HiddenStates {
      var sum = states.values
      for index in 0..<3 * 64 { sum[index] += values[block * 3 * 64 + index] }
      return try HiddenStates(tokens: 7, hidden: 64, values: sum)
    }
    let shards = try (0..<2).map {
      try Shard(tiny.checkpoint, blocks: try tiny.blocks($0..<$0 + 1))
    }
    let first = try added(input, 0)
    let second = try added(try await shards[0].forward(first), 1)
    let output = try await shards[1].forward(second)
    let secondGradient = try await shards[1].backward(input: second, outputGradient: gradient)
    let firstGradient = try await shards[0].backward(input: first, outputGradient: secondGradient)

    try await withSwarm(of: tiny, serving: [0..<2]) { nodes, peer in
      let session = try await RawSwarmSession(peer, to: nodes[0].peer.id)
      try await session.send([batch([input]), prompts, .noOrder], uid: uids(0..<2), [length(16)])
      expectClose(try await session.answer().real("session"), output.values, "session")
      session.stream.close()

      func call(_ name: String, _ arrays: [SwarmArray]) async throws -> [SwarmArray] {
        var request = SwarmExpertRequest()
        request.uid = uids(0..<2)
        request.tensors = try arrays.map { try SwarmTensor($0) }
        let bytes = try await peer.call(
          nodes[0].peer.id, "TransformerConnectionHandler.\(name)", try request.serializedBytes())
        return try SwarmExpertResponse(serializedBytes: bytes).tensors.map { try $0.array() }
      }
      let forward = try await call("rpc_forward", [batch([input, input]), prompts])
      expectClose(try forward[0].real("forward"), output.values + output.values, "forward")
      let backward = try await call("rpc_backward", [batch([input]), batch([gradient]), prompts])
      #expect(backward.count == 2)
      expectClose(try backward[0].real("backward"), firstGradient.values, "backward")
      #expect(backward[1].shape == [2, 1, 3, 64])
      let expected = firstGradient.slice(0..<3).values + secondGradient.slice(0..<3).values
      expectClose(try backward[1].real("prompts"), expected, "prompts")
    }
  }

  @Test(
    "A repeated step is dropped, an empty step reserves memory, an empty request ends the session")
  func steps() async throws {
    let input = try tiny.hidden("case2.embeddings")
    let expected = try await local([input])[0]
    func id(_ text: String) -> MessagePackValue.Entry { .init(.string("step_id"), .string(text)) }
    try await withSwarm(of: tiny, serving: [0..<2]) { nodes, peer in
      let session = try await RawSwarmSession(peer, to: nodes[0].peer.id)
      try await session.send(
        [SwarmArray([1, 0, 64], []), .noPrompts, .noOrder], uid: uids(0..<2), [length(7), id("a")])
      #expect(try await session.answer() == SwarmArray([1, 0, 64], []))
      let cache = nodes[0].node.info.cache
      #expect(cache.usedBytes == 7 * cache.bytesPerToken)
      try await session.send([batch([input.slice(0..<4)]), .noPrompts, .noOrder], [id("b")])
      _ = try await session.answer()
      try await session.send([batch([input.slice(0..<3)]), .noPrompts, .noOrder], [id("b")])
      try await session.send([batch([input.slice(4..<7)]), .noPrompts, .noOrder], [id("c")])
      expectClose(try await session.answer().real("c"), expected.slice(4..<7).values, "c")
      try await session.send([])
      #expect(try await session.stream.next() == nil)
      try await endsInTime(butCame: "\(nodes[0].node.info.cache)") {
        try await nodes[0].node.waitUntilIdle()
      }
    }
  }

  @Test("Hidden states travel in each codec, and come back in the one that is asked for")
  func codecs() async throws {
    let input = try tiny.hidden("case2.embeddings")
    let expected = try await local([input])[0]
    let cases: [(TensorCodec, Float)] = [(.none, 1e-5), (.float16, 2e-3), (.blockwise8Bit, 0.1)]
    try await withSwarm(of: tiny, serving: [0..<2]) { nodes, peer in
      for (codec, tolerance) in cases {
        var request = SwarmExpertRequest()
        request.uid = uids(0..<2)
        request.tensors = [
          try SwarmTensor(batch([input]), codec: codec), try SwarmTensor(.noPrompts),
        ]
        request.metadata = Data(
          MessagePackValue.object(["output_compression": .tuple([.int(Int64(codec.rawValue))])])
            .encoded)
        let bytes = try await peer.call(
          nodes[0].peer.id, "TransformerConnectionHandler.rpc_forward",
          try request.serializedBytes())
        let tensor = try #require(try SwarmExpertResponse(serializedBytes: bytes).tensors.first)
        #expect(tensor.compression.rawValue == codec.rawValue)
        let values = try tensor.array().real("\(codec)")
        let closeness = Closeness(of: values, to: expected.values)
        #expect(closeness.worst <= tolerance, "\(codec): \(closeness)")
      }
    }
  }
}
