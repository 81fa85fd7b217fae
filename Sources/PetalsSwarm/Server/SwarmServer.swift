import AsyncPrimitives
import Bloom
import Foundation
import Logging
public import PetalsNode
import SwiftProtobuf

/// Serves a node's blocks to a swarm, as Petals' servers do.
///
/// Sessions of the swarm share the node's memory and its rounds with those that come over gRPC. It lives
/// within ``withSwarmServer(_:node:model:publicName:isolation:_:)``.
public final class SwarmServer: Sendable {
  /// How often the node says that it serves.
  static let announceInterval = Duration.seconds(120)
  /// For how long that holds, in seconds.
  static let announceLifetime = 240.0
  /// The version of Petals whose messages these are.
  static let version = "2.2.0.post1"
  static let className = "TransformerConnectionHandler"
  /// The longest piece of a tensor in a stream, in bytes.
  static let pieceLimit = 4 << 20
  /// How long a request without a session may take.
  static let requestLimit = Duration.seconds(180)

  /// The peer that it serves through.
  public let peer: SwarmPeer
  let node: PetalsNode
  let model: SwarmModel
  let table: SwarmDHT
  private let publicName: String?

  init(_ peer: SwarmPeer, node: PetalsNode, model: SwarmModel, publicName: String?) throws {
    self.peer = peer
    self.node = node
    self.model = model
    self.publicName = publicName
    table = try peer.hashTable
  }

  /// Answers, and says so in the swarm.
  func start() async throws {
    try await answer("rpc_info", SwarmExpertUID.self, info)
    try await answer("rpc_forward", SwarmExpertRequest.self) { request in
      try await self.passing { self.whole(try await self.forward(request)) }
    }
    try await answer("rpc_backward", SwarmExpertRequest.self) { request in
      try await self.passing { self.whole(try await self.backward(request)) }
    }
    // What servers hand on to each other comes from the client as well.
    try await answer("rpc_push", SwarmExpertRequest.self) { _ in SwarmExpertResponse() }
    try await answer("rpc_check", of: "ReachabilityProtocol", SwarmPingRequest.self, check)
    try await peer.serve("\(Self.className).rpc_inference") { stream in
      try await SwarmSession(self, stream).run()
    }
    try await peer.serve("\(Self.className).rpc_forward_stream") { stream in
      try await self.passing {
        try await self.send(self.forward(try await self.gather(stream)), on: stream)
      }
    }
    try await peer.serve("\(Self.className).rpc_backward_stream") { stream in
      try await self.passing {
        try await self.send(self.backward(try await self.gather(stream)), on: stream)
      }
    }
    try await announce(.online)
  }

  /// Says at intervals that the node serves, until its task is cancelled.
  func run() async throws {
    let time = Stopwatch(peer.clock)
    while true {
      try await time.sleep(until: time.elapsed + Self.announceInterval)
      try await announce(.online)
    }
  }

  /// Says what the node serves, under each of its blocks, and that there is such a model.
  func announce(_ state: ServerRecord.State) async throws {
    let info = node.info
    var record = ServerRecord(
      state: state, throughput: info.blockStep.map { 1 / max($0.seconds, 1e-9) } ?? 1,
      blocks: info.blocks.indices)
    record.publicName = publicName
    record.version = Self.version
    record.inferenceRPS = record.throughput
    record.forwardRPS = record.throughput
    record.networkRPS = record.throughput
    record.dtype = "float32"
    record.cacheTokensLeft = info.cache.tokensLeft
    record.fingerprint = info.fingerprint
    let until = table.now + Self.announceLifetime
    let value = DHTValue(record.message.encoded, until: until)
    var entries = info.blocks.indices.map {
      DHTEntry(key: model.key($0), subkey: .string(peer.id.description), value: value)
    }
    if !model.prefix.hasPrefix("_") {
      let description: MessagePackValue = .object([
        "num_blocks": .int(Int64(model.blockCount)), "repository": .string(info.modelName),
      ])
      entries.append(
        DHTEntry(
          key: DHTID(of: .string("_petals.models")), subkey: .string(model.prefix),
          value: DHTValue(description.encoded, until: until)))
    }
    let kept = try await table.store(entries)
    // Behind the blocks' records is that of the model.
    if let index = kept.prefix(info.blocks.count).firstIndex(of: 0) {
      peer.logger.warning(
        "nobody keeps the record of a block: other peers will not find it",
        metadata: ["block": "\(info.blocks.lowerBound + index)"])
    }
  }

  // What is answered.

  private func answer<Request: Message>(
    _ name: String, of service: String = SwarmServer.className, _: Request.Type,
    _ handler: @escaping @Sendable (Request) async throws -> some Message
  ) async throws {
    try await peer.handle("\(service).\(name)") { other, bytes in
      do {
        return try await handler(try Request(serializedBytes: bytes)).serializedBytes()
      } catch {
        self.peer.logger.notice(
          "a call is refused",
          metadata: ["call": "\(name)", "peer": "\(other)", "error": "\(error)"])
        throw error
      }
    }
  }

  private func passing<Result: Sendable>(
    _ work: @escaping @Sendable () async throws -> Result
  ) async throws -> Result {
    try await withDeadline(
      Self.requestLimit, on: peer.clock,
      orThrow: NodeError(.deadlineExceeded, "the request took longer than \(Self.requestLimit)"),
      work)
  }

  private func info(_ request: SwarmExpertUID) throws -> SwarmExpertInfo {
    let info = node.info
    var fields: [MessagePackValue.Entry] = [
      .init(.string("version"), .string(Self.version)),
      .init(.string("dht_client_mode"), .bool(peer.configuration.membership == .client)),
      .init(.string("cache_tokens_available"), .int(Int64(info.cache.tokensLeft))),
    ]
    if !request.uid.isEmpty {
      _ = try blocks(request.uid)
      let hidden = TensorDescriptor(sizes: [2048, info.hiddenSize], dtype: "float32")
      let prompts = TensorDescriptor(sizes: [], dtype: "float32")
      let order = TensorDescriptor(sizes: [], dtype: "int64")
      fields += [
        .init(.string("forward_schema"), .tuple([.tuple([hidden.message]), .map([])])),
        .init(.string("outputs_schema"), .tuple([hidden.message])),
        .init(.string("keyword_names"), .tuple([])),
        .init(
          .string("inference_schema"),
          .tuple([.tuple([hidden.message, prompts.message, order.message]), .map([])])),
      ]
    }
    // What Petals' servers do not say.
    fields += [
      .init(.string("fingerprint"), .string(info.fingerprint)),
      .init(.string("model"), .string(info.modelName)),
      .init(
        .string("blocks"),
        .tuple([.int(Int64(info.blocks.lowerBound)), .int(Int64(info.blocks.upperBound))])),
      .init(.string("block_count"), .int(Int64(info.blocks.blockCount))),
      .init(.string("hidden_size"), .int(Int64(info.hiddenSize))),
      .init(.string("max_length"), .int(Int64(info.maximumLength))),
      .init(.string("is_ready"), .bool(info.isReady)),
    ]
    var response = SwarmExpertInfo()
    response.serializedInfo = Data(MessagePackValue.map(fields).encoded)
    return response
  }

  /// Says whether this peer reaches another one, which asks for itself or for a third.
  private func check(_ request: SwarmPingRequest) async throws -> SwarmPingResponse {
    let asked = PeerID(bytes: request.peer.nodeID)
    var response = SwarmPingResponse()
    // Who cannot be asked, or answers what cannot be read, is not available.
    if asked == peer.id {
      response.available = true
    } else if let bytes = try? await peer.call(
      asked, "ReachabilityProtocol.rpc_check", request.serializedBytes()),
      let answer = try? SwarmPingResponse(serializedBytes: bytes)
    {
      response.available = answer.available
    }
    return response
  }

  /// The blocks that a request names, all of them this node's.
  func blocks(_ uids: String) throws -> Range<Int> {
    let blocks = try model.blocks(uids: uids)
    let own = node.info.blocks
    guard !blocks.isEmpty, own.indices.contains(blocks.lowerBound),
      own.indices.contains(blocks.upperBound - 1)
    else {
      throw NodeError(
        .outOfRange,
        "this node serves blocks \(own) of \(model.prefix), not \(blocks.lowerBound)-\(blocks.upperBound - 1)"
      )
    }
    return blocks
  }

  /// `[hidden, prompts]` forward.
  private func forward(_ request: SwarmExpertRequest) async throws -> [SwarmTensor] {
    let blocks = try blocks(request.uid)
    let metadata = try RequestMetadata(request.metadata)
    let arguments = try metadata.arguments(request.tensors)
    let codecs = try metadata.outputCodecs(1)
    let input = try SequenceBatch(arguments.first ?? nil, "the hidden states")
    let prompts = try input.prompts(arguments.count > 1 ? arguments[1] : nil, blocks: blocks.count)
    let outputs = try await input.rows.concurrently { index, row in
      try await self.node.transport.forward(
        row, blocks: blocks, prompts: prompts.isEmpty ? nil : prompts[index])
    }
    let array = outputs.isEmpty ? SwarmArray(input.shape, []) : SequenceBatch.join(outputs)
    return [try SwarmTensor(array, codec: codecs[0])]
  }

  /// `[hidden, gradient of the output, prompts]` backward.
  private func backward(_ request: SwarmExpertRequest) async throws -> [SwarmTensor] {
    let blocks = try blocks(request.uid)
    let metadata = try RequestMetadata(request.metadata)
    let arguments = try metadata.arguments(request.tensors)
    guard arguments.count >= 2 else {
      throw SwarmMessageError("a backward request", "hidden states and a gradient are expected")
    }
    let input = try SequenceBatch(arguments[0], "the hidden states")
    let gradient = try SequenceBatch(arguments[1], "the gradient")
    guard input.shape == gradient.shape, !input.rows.isEmpty else {
      throw SwarmMessageError(
        "the gradient", "\(input.shape) as the hidden states is expected, not \(gradient.shape)")
    }
    let prompts = try input.prompts(arguments.count > 2 ? arguments[2] : nil, blocks: blocks.count)
    let codecs = try metadata.outputCodecs(prompts.isEmpty ? 1 : 2)
    let results = try await input.rows.concurrently { index, row in
      try await self.node.transport.backward(
        input: row, outputGradient: gradient.rows[index], blocks: blocks,
        prompts: prompts.isEmpty ? nil : prompts[index])
    }
    var tensors = [try SwarmTensor(SequenceBatch.join(results.map(\.input)), codec: codecs[0])]
    if let tokens = prompts.first?.tokens {
      var values: [Float] = []
      for block in 0..<blocks.count {
        for result in results { values += result.prompts[block].values }
      }
      let shape = [blocks.count, results.count, tokens, input.shape[2]]
      tensors.append(try SwarmTensor(SwarmArray(shape, values), codec: codecs[1]))
    }
    return tensors
  }

  private func whole(_ tensors: [SwarmTensor]) -> SwarmExpertResponse {
    var response = SwarmExpertResponse()
    response.tensors = tensors
    return response
  }

  private func send(_ tensors: [SwarmTensor], on stream: SwarmStream) async throws {
    for tensor in tensors {
      for piece in tensor.pieces(Self.pieceLimit) {
        var response = SwarmExpertResponse()
        response.tensors = [piece]
        try await stream.send(try response.serializedBytes())
      }
    }
  }

  /// Puts the pieces of a request together, up to the longest message that is read.
  private func gather(_ stream: SwarmStream) async throws -> SwarmExpertRequest {
    var whole = SwarmExpertRequest()
    var pieces = TensorPieces(limit: peer.configuration.largestMessage)
    while let bytes = try await stream.next() {
      let part = try SwarmExpertRequest(serializedBytes: bytes)
      if whole.uid.isEmpty { whole.uid = part.uid }
      guard part.uid.isEmpty || part.uid == whole.uid else {
        throw SwarmMessageError("a stream's request", "its parts name different blocks")
      }
      if whole.metadata.isEmpty { whole.metadata = part.metadata }
      for tensor in part.tensors { try pieces.add(tensor) }
    }
    whole.tensors = try pieces.whole()
    return whole
  }
}

/// Runs a body while a node serves its blocks to a swarm.
///
/// - Parameters:
///   - peer: The swarm's peer to serve through, which serves one node.
///   - node: A node that is ready.
///   - model: The model as the swarm knows it.
///   - publicName: A name for people, which the swarm's monitors show.
///   - isolation: The actor that `body` runs on; the caller's.
///   - body: Runs once the node is announced.
/// - Throws: ``SwarmError``; what the body throws.
public func withSwarmServer<Result: Sendable>(
  _ peer: SwarmPeer, node: PetalsNode, model: SwarmModel, publicName: String? = nil,
  isolation: isolated (any Actor)? = #isolation, _ body: (SwarmServer) async throws -> Result
) async throws -> Result {
  let server = try SwarmServer(peer, node: node, model: model, publicName: publicName)
  try await server.start()
  let running = Task { try await server.run() }
  let outcome: Swift.Result<Result, any Error>
  do {
    outcome = .success(try await body(server))
  } catch {
    outcome = .failure(error)
  }
  running.cancel()
  _ = await running.result
  // Not in the caller's task, which may be cancelled: others are to know that the node is gone.
  await Task {
    // Who is not told finds out: the announcement expires.
    try? await withDeadline(peer.configuration.callTimeout, on: peer.clock) {
      try await server.announce(.offline)
    }
  }.value
  return try outcome.get()
}

extension Duration {
  /// The time in seconds.
  var seconds: Double { self / .seconds(1) }
}

extension Array where Element: Sendable {
  /// Transforms all elements at once; the first error ends the others.
  func concurrently<Result: Sendable>(
    _ transform: @escaping @Sendable (Int, Element) async throws -> Result
  ) async throws -> [Result] {
    try await withThrowingTaskGroup(of: (Int, Result).self) { group in
      for (index, element) in enumerated() {
        group.addTask { (index, try await transform(index, element)) }
      }
      var results: [(Int, Result)] = []
      for try await result in group { results.append(result) }
      return results.sorted { $0.0 < $1.0 }.map(\.1)
    }
  }
}
