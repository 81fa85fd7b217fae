import AsyncPrimitives
import Bloom
import EthereumPrimitives
import Foundation
import PetalsNode
import SwiftProtobuf
import Synchronization

/// A session on a server of a swarm: one stream, `rpc_inference`.
final class SwarmClientSession: BlockSession {
  private struct State: Sendable {
    var stream: SwarmStream?
    var position = 0
    var processedTokens = 0
    var steps = 0
    var isOver = false
  }

  let peer: String
  private let transport: SwarmTransport
  private let opening: SessionOpening
  private let blocks: Range<Int>
  private let hidden: Int
  private let state = Mutex(State())

  init(_ transport: SwarmTransport, _ opening: SessionOpening, blocks: Range<Int>, hidden: Int) {
    self.transport = transport
    self.opening = opening
    self.blocks = blocks
    self.hidden = hidden
    peer = transport.peer
  }

  /// Opens the stream, and waits for the answer to a step without tokens, which reserves memory.
  func open() async throws {
    let stream = try await transport.swarm.openStream(
      to: transport.id, "TransformerConnectionHandler.rpc_inference")
    let isOver = state.withLock { state in
      state.stream?.close()
      state.stream = stream
      state.position = 0
      return state.isOver
    }
    do {
      if isOver { throw CancellationError() }
      let empty = SwarmArray([1, 0, hidden], [])
      _ = try await exchange(
        empty,
        [
          .init(.string("max_length"), .int(Int64(opening.maximumLength))),
          .init(.string("fingerprint"), opening.fingerprint.map { .string($0) } ?? .null),
        ])
    } catch {
      stream.close()
      throw error
    }
  }

  func step(_ input: HiddenStates, startFrom start: Int?) async throws -> StepResult {
    do {
      var more: [MessagePackValue.Entry] = []
      if let start, start != state.withLock({ $0.position }) {
        if start == 0, !transport.isOwnKind {
          // Petals' servers of version 2.2 do not roll back: another stream has another cache.
          try await open()
        } else {
          more = [.init(.string("start_from_position"), .int(Int64(start)))]
        }
      }
      let response = try await exchange(.of(input), more)
      let output = try HiddenStates(answer: response.tensors, like: input)
      let position = state.withLock { state in
        state.position = (start ?? state.position) + input.tokens
        state.processedTokens += input.tokens
        return state.position
      }
      return StepResult(hidden: output, position: position, computeTime: computeTime(response))
    } catch {
      cancel()
      try Task.checkCancellation()
      throw NodeError(swarm: error, peer: peer)
    }
  }

  /// What the step took on the server: as it says, or, where it does not, as it promised.
  private func computeTime(_ response: SwarmExpertResponse) -> Duration {
    if !response.metadata.isEmpty,
      let fields = try? MessagePackValue(decoding: response.metadata),
      let seconds = fields["compute_time"]?.number, (0..<1e6).contains(seconds)
    {
      return .seconds(seconds)
    }
    return (transport.blockStep ?? .zero) * blocks.count
  }

  func finish(_ summary: SessionSummary) async throws -> Int {
    defer { cancel() }
    do {
      guard let stream = state.withLock({ $0.stream }) else { throw ended }
      var request = SwarmExpertRequest()
      if transport.isOwnKind { request.metadata = Data(Self.metadata(summary).encoded) }
      try await stream.send(try request.serializedBytes())
      stream.finish()
      // The server ends the stream once it has counted.
      while try await stream.next() != nil {}
      return state.withLock { $0.processedTokens }
    } catch {
      try Task.checkCancellation()
      throw NodeError(swarm: error, peer: peer)
    }
  }

  func cancel() {
    let stream = state.withLock { state in
      state.isOver = true
      return state.stream
    }
    stream?.close()
  }

  private var ended: SwarmError { SwarmError(.streamEnded, "the session is not open") }

  /// Sends a step, and waits for its answer for as long as the server gives signs of life.
  private func exchange(
    _ input: SwarmArray, _ more: [MessagePackValue.Entry]
  ) async throws -> SwarmExpertResponse {
    let (stream, number) = try state.withLock { state in
      guard let stream = state.stream else { throw ended }
      state.steps += 1
      return (stream, state.steps)
    }
    var request = SwarmExpertRequest()
    request.uid = transport.model.uids(blocks)
    request.tensors = [
      try SwarmTensor(input, codec: transport.limits.codec), try SwarmTensor(.noPrompts),
      try SwarmTensor(.noOrder),
    ]
    request.metadata = Data(
      SwarmTransport.metadata(
        3,
        [
          .init(.string("session_id"), .string(opening.id)),
          .init(.string("step_id"), .string("\(opening.id)-\(number)")),
        ] + more
      ).encoded)
    let bytes: [UInt8] = try request.serializedBytes()
    let (limits, swarm, id) = (transport.limits, transport.swarm, transport.id)
    let late = SwarmError(.timedOut, "it did not answer a step within \(limits.step)", peer: id)
    let answer: [UInt8]? = try await withDeadline(limits.step, on: swarm.clock, orThrow: late) {
      try await race(
        { () async throws -> [UInt8]? in
          // A server that stands still takes no more than its sockets hold.
          try await stream.send(bytes)
          return try await stream.next()
        },
        against: { try await Self.watch(id, swarm, limits.silence) })
    }
    guard let answer else {
      throw SwarmError(.streamEnded, "the server ended the session", peer: id)
    }
    return try SwarmExpertResponse(serializedBytes: answer)
  }

  /// Pings a server that is silent, and throws when it does not answer either.
  private static func watch(
    _ id: PeerID, _ swarm: SwarmPeer, _ silence: Duration
  ) async throws -> Never {
    while true {
      try await swarm.clock.sleep(for: silence / 3)
      do {
        _ = try await swarm.call(
          id, "DHTProtocol.rpc_ping", try SwarmPingRequest().serializedBytes(),
          within: silence / 3 * 2)
      } catch let error as SwarmError where error.code != .refused {
        throw SwarmError(
          .timedOut, "it gave no sign of life within \(silence): \(error.message)", peer: id)
      }
    }
  }

  private static func metadata(_ summary: SessionSummary) -> MessagePackValue {
    var fields: [MessagePackValue.Entry] = [
      .init(.string("generated_tokens"), .int(Int64(summary.generatedTokens))),
      .init(.string("latency"), .double(summary.latency.seconds)),
    ]
    if let transcript = summary.transcript {
      fields += [
        .init(.string("input_hash"), .bytes(Array(transcript.inputHash.bytes))),
        .init(.string("output_hash"), .bytes(Array(transcript.outputHash.bytes))),
      ]
    }
    return .map([.init(.string("summary"), .map(fields))])
  }
}
