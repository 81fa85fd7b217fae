import AsyncPrimitives
import Bloom
import DequeModule
import EthereumPrimitives
import Foundation
import PetalsNode
import SwiftProtobuf

/// A session of a client on the node's side: `rpc_inference`, one stream with a cache of its own.
struct SwarmSession: Sendable {
  /// How long a client may take between two steps.
  private static let stepLimit = Duration.seconds(300)

  private let server: SwarmServer
  private let stream: SwarmStream

  init(_ server: SwarmServer, _ stream: SwarmStream) {
    self.server = server
    self.stream = stream
  }

  /// Serves steps until the client ends the session.
  ///
  /// - Throws: ``NodeError`` and ``SwarmMessageError``, which the client is told.
  func run() async throws {
    guard let first = try await next() else { return }
    let metadata = try RequestMetadata(first.metadata)
    let blocks = try BlockRange(server.blocks(first.uid), of: server.model.blockCount)
    let sessions = try open(first, metadata, blocks)
    defer { sessions.release() }
    var steps = RecentSteps()
    var request = first
    while !request.tensors.isEmpty {
      let step = try RequestMetadata(request.metadata)
      if try steps.isNew(step.fields["step_id"]) {
        try await answer(request, step, metadata.fields["args_structure"], sessions, blocks)
      }
      guard let following = try await next() else { return }
      request = following
    }
    if let summary = try RequestMetadata(request.metadata).summary { try sessions.finish(summary) }
  }

  private func next() async throws -> SwarmExpertRequest? {
    let late = NodeError(.deadlineExceeded, "no step came within \(Self.stepLimit)")
    let bytes = try await withDeadline(Self.stepLimit, on: server.peer.clock, orThrow: late) {
      try await stream.next()
    }
    return try bytes.map { try SwarmExpertRequest(serializedBytes: $0) }
  }

  private func open(
    _ first: SwarmExpertRequest, _ metadata: RequestMetadata, _ blocks: BlockRange
  ) throws -> InProcessSessions {
    guard let length = try metadata.count("max_length") else {
      throw SwarmMessageError("a session's first request", "max_length is missing")
    }
    let sequences = first.tensors.first?.size.first ?? 1
    guard (1...UInt64(SequenceBatch.greatestCount)).contains(sequences) else {
      throw SwarmMessageError(
        "a session", "\(sequences) sequences, 1 to \(SequenceBatch.greatestCount) are taken")
    }
    let id = metadata.fields["session_id"]?.text ?? "of \(stream.peer)"
    return try server.node.transport.openSessions(
      SessionOpening(
        id: String(id.prefix(64)), fingerprint: metadata.fields["fingerprint"]?.text,
        blocks: blocks,
        maximumLength: max(1, length)), count: Int(sequences))
  }

  private func answer(
    _ request: SwarmExpertRequest, _ step: RequestMetadata, _ structure: MessagePackValue?,
    _ sessions: InProcessSessions, _ blocks: BlockRange
  ) async throws {
    let arguments = try step.arguments(request.tensors, structure: structure)
    let codec = try step.outputCodecs(1)[0]
    let input = try SequenceBatch(arguments.first ?? nil, "the hidden states")
    guard input.shape[0] == sessions.count else {
      throw SwarmMessageError(
        "the hidden states", "\(input.shape[0]) sequences in a session of \(sessions.count)")
    }
    let prompts = try input.prompts(arguments.count > 1 ? arguments[1] : nil, blocks: blocks.count)
    let start = try step.count("start_from_position")
    if arguments.count > 2, let order = arguments[2], !order.isDummy {
      try sessions.reorder(by: try Self.sources(order, count: sessions.count))
    }
    var response = SwarmExpertResponse()
    if input.rows.isEmpty {
      // No tokens: the cache is reserved by now, which is what such a step asks for.
      if let start { try sessions.rollBack(to: start) }
      response.tensors = [try SwarmTensor(SwarmArray(input.shape, []), codec: codec)]
    } else {
      let result = try await sessions.step(input.rows, startFrom: start, prompts: prompts)
      response.tensors = [try SwarmTensor(SequenceBatch.join(result.hidden), codec: codec)]
      let time: MessagePackValue = .object(["compute_time": .double(result.computeTime.seconds)])
      response.metadata = Data(time.encoded)
    }
    let bytes: [UInt8] = try response.serializedBytes()
    let late = NodeError(.deadlineExceeded, "no answer was taken within \(Self.stepLimit)")
    try await withDeadline(Self.stepLimit, on: server.peer.clock, orThrow: late) {
      try await stream.send(bytes)
    }
  }

  /// Whose tokens each sequence goes on with.
  private static func sources(_ order: SwarmArray, count: Int) throws(SwarmMessageError) -> [Int] {
    guard case .whole(let ids) = order.elements, order.shape == [count] else {
      throw SwarmMessageError("the order of sequences", "\(count) whole numbers are expected")
    }
    let sources = ids.compactMap { Int(exactly: $0) }
    guard sources.count == count, sources.allSatisfy({ (0..<count).contains($0) }) else {
      throw SwarmMessageError(
        "the order of sequences", "numbers from 0 to \(count - 1) are expected")
    }
    return sources
  }
}

/// The steps that a session answered last, by the names that its client gave them.
///
/// A step comes twice, if at all, from two servers at about the same time.
package struct RecentSteps: Sendable {
  /// Most names that are kept.
  package static let greatestCount = 256
  /// The longest name, in bytes of msgpack; Petals' have 38.
  package static let longestName = 256

  /// In msgpack: a number that is none is equal to nothing, but its bytes are to themselves.
  private var names: Set<[UInt8]> = []
  private var order: Deque<[UInt8]> = []

  /// None was answered yet.
  package init() {}

  /// Names that are kept.
  package var count: Int { names.count }

  /// Whether a step was not answered yet; it counts as answered from now on.
  ///
  /// - Throws: ``SwarmMessageError`` for a name that is too long to be kept.
  package mutating func isNew(_ name: MessagePackValue?) throws(SwarmMessageError) -> Bool {
    guard let name, name != .null else { return true }
    let bytes = name.encoded
    guard bytes.count <= Self.longestName else {
      throw SwarmMessageError("a request's step_id", "at most \(Self.longestName) bytes are taken")
    }
    guard names.insert(bytes).inserted else { return false }
    order.append(bytes)
    if order.count > Self.greatestCount, let oldest = order.popFirst() { names.remove(oldest) }
    return true
  }
}

extension RequestMetadata {
  /// What a session was for, which clients of this package tell with the last request.
  var summary: SessionSummary? {
    get throws {
      guard let fields = fields["summary"], fields != .null else { return nil }
      guard let tokens = fields["generated_tokens"]?.integer,
        let latency = fields["latency"]?.number
      else { throw SwarmMessageError("a session's summary", "tokens and a latency are expected") }
      var transcript: SessionSummary.Transcript?
      if case .bytes(let input) = fields["input_hash"],
        case .bytes(let output) = fields["output_hash"]
      {
        transcript = SessionSummary.Transcript(
          inputHash: try Hash32(bytes: input), outputHash: try Hash32(bytes: output))
      }
      return try SessionSummary(
        generatedTokens: tokens, latency: .seconds(min(max(latency, -1), 1e9)),
        transcript: transcript)
    }
  }
}
